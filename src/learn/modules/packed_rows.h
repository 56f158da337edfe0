// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace tandem::learn {

// Where the rows of a packed batch lie, and the position of each of its P elements.
struct PackedPositions {
  at::Tensor row_starts;      // [B+1] int64
  at::Tensor positions = {};  // [P]   int64; undefined: counted up in each row
};

// The position of each packed element within its row, counting up from 0: [P] int64 on the CPU. The
// default of models that take positions as data. ShapeError when the rows [B+1] do not cover
// exactly `count` positions, at least one each.
at::Tensor count_positions(const at::Tensor& row_starts, int64_t count);

}  // namespace tandem::learn
