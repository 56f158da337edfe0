// SPDX-License-Identifier: Apache-2.0
#include "engine/hllm/time_embedding.h"

#include <algorithm>

#include "engine/ops/silu.h"
#include "models/time_embedding.h"

namespace tandem::engine {

TimeEmbedding::TimeEmbedding(const HllmFiles& files) : table_width_(files.config.time_width) {
  if (files.time.empty()) return;
  const size_t layers = kTimeTables.size();
  tables_.assign(files.time.begin(), files.time.begin() + static_cast<int64_t>(layers));
  const int64_t width = files.config.width, columns = std::ssize(tables_) * table_width_;
  inner_ = PackedMatrix(files.time[layers].data(), width, columns, columns);
  inner_bias_ = files.time[layers + 1];
  outer_ = PackedMatrix(files.time[layers + 2].data(), width, width, width);
  outer_bias_ = files.time[layers + 3];
}

void TimeEmbedding::add(std::span<const int64_t> times, float* x) const {
  if (empty()) return;
  const int64_t width = outer_.rows();
  std::vector<float> fields(inner_.columns()), inner(width), vector(width);
  for (size_t p = 0; p < times.size(); ++p) {
    if (times[p] == 0) continue;
    const TimeFields rows = time_rows(times[p]);
    for (size_t i = 0; i < rows.size(); ++i)
      std::copy_n(tables_[i].data() + rows[i] * table_width_, table_width_,
                  fields.data() + static_cast<int64_t>(i) * table_width_);
    inner_.multiply(fields.data(), inner_.columns(), 1, inner_bias_.data(), inner.data(), width);
    for (float& value : inner) value = silu(value);
    outer_.multiply(inner.data(), width, 1, outer_bias_.data(), vector.data(), width);
    float* row = x + static_cast<int64_t>(p) * width;
    for (int64_t i = 0; i < width; ++i) row[i] += vector[i];
  }
}

}  // namespace tandem::engine
