// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace tandem::learn {

// Grouped-query attention: query head h reads key and value head h / (heads / kv_heads).
struct AttentionShape {
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  int64_t window = 0;  // a position sees itself and window - 1 before it; 0 sees all before it
};

// softmax(q k^T / sqrt(head_dim)) v over packed rows; a position sees its own row up to itself.
//
//   q           [Q, heads * head_dim]     float32, bfloat16 (arithmetic in float32) or float64
//   k, v        [P, kv_heads * head_dim]  the same type
//   row_starts  [B+1] int64
//   wanted      [Q]   int64, strictly ascending positions of the queries; undefined: all, Q = P
//   result      as q
//
// Probabilities are made block by block, forward and again backward; nothing but q, k and v is
// kept. O(Q T) time for rows of T; a thread's scratch is a block of about 128 queries by T scores
// (twice backward) and one row's keys and values of one head. Differentiable in q, k and v; bits do
// not depend on the number of threads. On other devices than the CPU it is the composed form;
// row_starts and wanted stay on the CPU. Throws ShapeError.
at::Tensor causal_attention(const AttentionShape& shape, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const at::Tensor& row_starts,
                            const at::Tensor& wanted = {});

// The same by ATen's attention, a row at a time.
at::Tensor causal_attention_composed(const AttentionShape& shape, const at::Tensor& q,
                                     const at::Tensor& k, const at::Tensor& v,
                                     const at::Tensor& row_starts, const at::Tensor& wanted = {});

// With all probabilities of a row in memory, ATen operations only; also gives them, [heads, Q of
// row 0, T], where asked.
at::Tensor causal_attention_reference(const AttentionShape& shape, const at::Tensor& q,
                                      const at::Tensor& k, const at::Tensor& v,
                                      const at::Tensor& row_starts, const at::Tensor& wanted = {},
                                      at::Tensor* probabilities = nullptr);

}  // namespace tandem::learn
