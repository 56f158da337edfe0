// SPDX-License-Identifier: Apache-2.0
#include "learn/modules/window.h"

#include <ATen/TensorOperators.h>

#include <algorithm>

#include "core/error.h"
#include "learn/modules/packed_rows.h"

namespace tandem::learn {

KeyRanges item_ranges(std::string_view model, const PackedBatch& batch, const at::Tensor& wanted) {
  KeyRanges ranges = causal_ranges(batch.row_starts, wanted);
  const at::Tensor inputs = batch.items.cpu();
  const int64_t *item = inputs.const_data_ptr<int64_t>(),
                *starts = ranges.row_starts.const_data_ptr<int64_t>(),
                *queries = ranges.query_starts.const_data_ptr<int64_t>(),
                *end = ranges.end.const_data_ptr<int64_t>();
  int64_t* begin = ranges.begin.data_ptr<int64_t>();
  for (int64_t row = 0; row + 1 < ranges.row_starts.numel(); ++row) {
    int64_t first = starts[row];  // input that is an item
    while (first < starts[row + 1] && item[first] == 0) ++first;
    for (int64_t p = first; p < starts[row + 1]; ++p)
      if (item[p] == 0) throw ShapeError("{}: row {} has padding after an item", model, row);
    for (int64_t q = queries[row]; q < queries[row + 1]; ++q) begin[q] = std::min(first, end[q]);
  }
  return ranges;
}

at::Tensor last_slots(std::string_view model, const PackedBatch& batch, int64_t slots) {
  const at::Tensor starts = batch.row_starts.cpu();
  const at::Tensor lengths = starts.slice(0, 1) - starts.slice(0, 0, -1);
  if (lengths.numel() > 0 && lengths.max().item<int64_t>() > slots)
    throw ShapeError("{}: a row has {} inputs, max_length is {}", model,
                     lengths.max().item<int64_t>(), slots);
  const at::Tensor slot =
      count_positions(starts, batch.items.size(0)) + (slots - lengths).repeat_interleave(lengths);
  return slot.to(batch.items.device());
}

}  // namespace tandem::learn
