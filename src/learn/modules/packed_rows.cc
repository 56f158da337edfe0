// SPDX-License-Identifier: Apache-2.0
#include "learn/modules/packed_rows.h"

#include <ATen/ops/empty.h>

#include "core/error.h"

namespace tandem::learn {

at::Tensor count_positions(const at::Tensor& row_starts, int64_t count) {
  if (row_starts.dim() != 1 || row_starts.scalar_type() != at::kLong || row_starts.numel() < 1)
    throw ShapeError("row_starts must be a vector of int64");
  const at::Tensor contiguous = row_starts.cpu().contiguous();
  const int64_t* starts = contiguous.const_data_ptr<int64_t>();
  const int64_t rows = row_starts.numel() - 1;
  at::Tensor positions = at::empty({count}, at::kLong);
  int64_t* out = positions.data_ptr<int64_t>();
  if (starts[0] != 0 || starts[rows] != count)
    throw ShapeError("rows cover {} to {} of {} positions", starts[0], starts[rows], count);
  for (int64_t row = 0; row < rows; ++row) {
    if (starts[row] >= starts[row + 1] || starts[row + 1] > count)
      throw ShapeError("row {} is {} to {} of {} positions", row, starts[row], starts[row + 1],
                       count);
    for (int64_t p = starts[row]; p < starts[row + 1]; ++p) out[p] = p - starts[row];
  }
  return positions;
}

}  // namespace tandem::learn
