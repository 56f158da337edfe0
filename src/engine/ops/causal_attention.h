// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "core/thread_pool.h"
#include "engine/ops/matrix.h"

namespace tandem::engine {

// Grouped-query attention: query head h reads key and value head h / (heads / kv_heads).
struct AttentionShape {
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  int64_t window = 0;  // a position sees itself and window - 1 before it; 0 sees all before it
};

// One sequence of a packed batch: what several sequences may share (a prefix), then its own
// positions. Its queries are its last positions and not of the prefix.
struct AttentionSequence {
  int64_t first_row = 0;          // of its queries in q and in the result
  int64_t queries = 0;            // at most length
  const float* keys = nullptr;    // [length, kv_heads * head_dim], already rotated
  const float* values = nullptr;  // the same
  int64_t length = 0;
  const float* prefix_keys = nullptr;  // [prefix_length, ...] likewise
  const float* prefix_values = nullptr;
  int64_t prefix_length = 0;
};

// softmax(q k^T / sqrt(head_dim)) v, each position over what it may see, no sequence sees another.
//
//   q       [P, heads * head_dim], already rotated; P rows of all sequences end to end
//   result  as q
//
// O(queries * (prefix_length + length)) time; scratch of 64 rows of scores a thread. probabilities,
// when given, gets [heads, queries, prefix_length + length] of the first sequence. The bits do not
// depend on the number of threads.
Matrix causal_attention(const AttentionShape& shape, const Matrix& q,
                        std::span<const AttentionSequence> sequences, ThreadPool& pool,
                        float* probabilities = nullptr);

}  // namespace tandem::engine
