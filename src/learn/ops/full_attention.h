// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace tandem::learn {

// Multi-head attention in which every position sees the whole of its row, with dropout on the
// probabilities:
//
//     dropout(softmax(q k^T / sqrt(d))) v        d = D / heads
//
//   q, k, v     [P, D] float32, heads side by side
//   row_starts  [B+1]  int64
//   keep        [P, heads * L] u8, 0 or 1: of each query, for each head, the keys of its row in
//               order; L at least the longest row. Undefined: no dropout, p must be 0
//   result      [P, D]
//
// A task is one row and head; the probabilities are kept for the backward pass, heads * T^2 floats
// a row. Differentiable in q, k, v; bits do not depend on the number of threads. On other devices
// than the CPU: the twin. Throws ShapeError.
at::Tensor full_attention(int64_t heads, const at::Tensor& q, const at::Tensor& k,
                          const at::Tensor& v, const at::Tensor& row_starts,
                          const at::Tensor& keep = {}, double p = 0);

// Row by row in ATen, on any device, any floating type.
at::Tensor full_attention_reference(int64_t heads, const at::Tensor& q, const at::Tensor& k,
                                    const at::Tensor& v, const at::Tensor& row_starts,
                                    const at::Tensor& keep = {}, double p = 0);

}  // namespace tandem::learn
