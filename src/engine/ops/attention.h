// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "core/thread_pool.h"
#include "engine/ops/matrix.h"

namespace tandem::engine {

// Grouped-query attention: query head h reads key and value head h / (heads / kv_heads).
struct AttentionShape {
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
};

// The keys that a query sees: positions begin .. end of its sequence, at least one.
struct KeyRange {
  int64_t begin = 0, end = 0;
};

// Of positions [first, first + count): each sees all up to itself, or with a window > 0 at most
// that many, itself included.
std::vector<KeyRange> causal_ranges(int64_t first, int64_t count, int64_t window = 0);

// Some of a sequence's positions, one after the other in memory: a block of a cache, a prefix that
// several sequences share, the rows of this pass.
struct KeySegment {
  const float* keys = nullptr;    // [length, kv_heads * head_dim], already rotated
  const float* values = nullptr;  // the same
  int64_t length = 0;
};

// One sequence of a packed batch: its keys, and a range of them for each of its queries.
struct AttentionSequence {
  int64_t first_row = 0;  // of its queries in q and in the result
  std::vector<KeySegment> segments;
  std::vector<KeyRange> ranges;

  int64_t length() const;
};

// softmax(q k^T / sqrt(head_dim)) v, each query over its range; no sequence sees another.
//
//   q       [P, heads * head_dim], already rotated; P rows of all sequences end to end
//   result  as q
//
// A block of 64 queries computes the keys between the first and the last that any of them sees.
// O(queries * length) time; scratch of a block's scores a thread. probabilities, when given, gets
// [heads, queries, length] of the first sequence. The bits do not depend on the number of threads.
Matrix attention(const AttentionShape& shape, const Matrix& q,
                 const std::vector<AttentionSequence>& sequences, ThreadPool& pool,
                 float* probabilities = nullptr);

// One sequence on the calling thread, the same bits: q and out [queries, heads * head_dim].
void attend(const AttentionShape& shape, const float* q, const AttentionSequence& sequence,
            float* out);

}  // namespace tandem::engine
