// SPDX-License-Identifier: Apache-2.0
#include "learn/hstu/relative_bias.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <vector>

#include "core/error.h"
#include "models/relative_bias.h"

namespace tandem::learn {

BiasRows bias_rows(const PackedBatch& batch, const KeyRanges& ranges, int64_t max_length) {
  if (!batch.times.defined()) throw ShapeError("hstu: the relative bias needs times of the inputs");
  const int64_t *time = batch.times.const_data_ptr<int64_t>(),
                *begin = ranges.begin.const_data_ptr<int64_t>(),
                *end = ranges.end.const_data_ptr<int64_t>();
  std::vector<int64_t> positions, buckets;
  for (int64_t i = 0; i < ranges.num_queries(); ++i) {
    const int64_t own = end[i] - 1;
    for (int64_t j = begin[i]; j < end[i]; ++j) {
      positions.push_back(j - own + max_length - 1);
      buckets.push_back(time_bucket(time[j], time[own]));
    }
  }
  const at::Device device = batch.items.device();
  return {.position = at::tensor(positions, at::kLong).to(device),
          .time = at::tensor(buckets, at::kLong).to(device)};
}

at::Tensor RelativeBias::of(const BiasRows& rows) const {
  return position.index_select(0, rows.position) + time.index_select(0, rows.time);
}

}  // namespace tandem::learn
