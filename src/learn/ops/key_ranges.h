// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace tandem::learn {

// Which keys each query of a packed batch sees: an interval of its own row. Causal and windowed
// attention, a whole row, and a prefix that all see with causal steps after it are such intervals.
// All tensors are int64 on the CPU; Q queries, P keys, B rows.
struct KeyRanges {
  at::Tensor row_starts;    // [B+1]: row b's keys are positions row_starts[b] .. row_starts[b+1]
  at::Tensor query_starts;  // [B+1]: its queries are rows query_starts[b] .. of q
  at::Tensor begin, end;    // [Q]: query i sees positions begin[i] .. end[i], at least one

  int64_t num_queries() const { return begin.size(0); }
  int64_t num_keys() const;
  int64_t longest_row() const;
};

// wanted [Q]: strictly ascending positions that ask; undefined: all, Q = P. Each throws ShapeError
// for rows that are empty, do not follow each other or do not hold the wanted positions.

// A position sees its row up to itself; with a window > 0 at most that many keys, itself included.
KeyRanges causal_ranges(const at::Tensor& row_starts, const at::Tensor& wanted = {},
                        int64_t window = 0);
// A position sees all of its row.
KeyRanges row_ranges(const at::Tensor& row_starts, const at::Tensor& wanted = {});
// A position of row b sees its first prefix_lengths[b] positions, and all up to itself (GLM):
// j < prefix or j <= i.
KeyRanges prefix_ranges(const at::Tensor& row_starts, const at::Tensor& prefix_lengths,
                        const at::Tensor& wanted = {});

}  // namespace tandem::learn
