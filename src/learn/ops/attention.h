// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "learn/ops/key_ranges.h"

namespace tandem::learn {

// Grouped-query attention: query head h reads key and value head h / (heads / kv_heads).
struct AttentionShape {
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
};

struct AttentionOptions {
  // Dropout on the probabilities: u8 [Q, heads * L], 0 or 1: of each query, for each head, the keys
  // of its row in order; L at least the longest row. Undefined: none, p must be 0.
  at::Tensor keep = {};
  double p = 0;
  // Keep the probabilities for the backward pass, heads floats for each query and key of its block,
  // instead of making them again there. The bits are the same: short rows win, long ones need the
  // memory.
  bool save_probabilities = false;
};

// dropout(softmax(q k^T / sqrt(head_dim))) v over packed rows, each query over its range of keys.
//
//   q       [Q, heads * head_dim]     float32, bfloat16 (arithmetic in float32) or float64
//   k, v    [P, kv_heads * head_dim]  the same type
//   ranges  of Q queries over P keys
//   result  as q
//
// Probabilities are made block by block, forward and again backward. A block of about 128 queries
// (times heads of a group) computes the keys between the first and the last that any of them sees:
// O(Q T) time for rows of T; a thread's scratch is a block of scores (twice backward) and one row's
// keys and values of one head. Differentiable in q, k and v; bits do not depend on the number of
// threads. On other devices than the CPU it is the composed form. Throws ShapeError.
at::Tensor attention(const AttentionShape& shape, const at::Tensor& q, const at::Tensor& k,
                     const at::Tensor& v, const KeyRanges& ranges,
                     const AttentionOptions& options = {});

// The same by ATen's attention, a row at a time; with dropout by the reference.
at::Tensor attention_composed(const AttentionShape& shape, const at::Tensor& q, const at::Tensor& k,
                              const at::Tensor& v, const KeyRanges& ranges,
                              const AttentionOptions& options = {});

// With all probabilities of a row in memory, ATen operations only, on any device and floating type;
// also gives those of row 0, [heads, its queries, T], where asked.
at::Tensor attention_reference(const AttentionShape& shape, const at::Tensor& q,
                               const at::Tensor& k, const at::Tensor& v, const KeyRanges& ranges,
                               const AttentionOptions& options = {},
                               at::Tensor* probabilities = nullptr);

// What all three check first.
void check_attention(const AttentionShape& shape, const at::Tensor& q, const at::Tensor& k,
                     const at::Tensor& v, const KeyRanges& ranges, const AttentionOptions& options);

}  // namespace tandem::learn
