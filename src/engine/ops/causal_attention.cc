// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/causal_attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/check.h"
#include "engine/kernels/gemm.h"
#include "engine/kernels/vector_ops.h"

namespace tandem::engine {
namespace {

constexpr int64_t kQueryBlock = 64;

// Some queries of one sequence, in all heads that share a key head.
struct Block {
  const AttentionSequence* sequence;
  int64_t kv_head, begin, count;  // queries [begin, begin + count) of the sequence
};

std::vector<Block> cut_blocks(const AttentionShape& shape,
                              std::span<const AttentionSequence> sequences) {
  std::vector<Block> blocks;
  for (const AttentionSequence& sequence : sequences)
    for (int64_t head = 0; head < shape.kv_heads; ++head)
      for (int64_t begin = 0; begin < sequence.queries; begin += kQueryBlock)
        blocks.push_back({&sequence, head, begin, std::min(kQueryBlock, sequence.queries - begin)});
  return blocks;
}

}  // namespace

Matrix causal_attention(const AttentionShape& shape, const Matrix& q,
                        std::span<const AttentionSequence> sequences, ThreadPool& pool,
                        float* probabilities) {
  const int64_t group = shape.heads / shape.kv_heads, width = shape.head_dim;
  const int64_t kv_stride = shape.kv_heads * width;
  TANDEM_CHECK(q.columns == shape.heads * width, "q has {} columns", q.columns);
  const float scale = 1.0f / std::sqrt(static_cast<float>(width));
  // The first key that position p sees.
  const auto first_key = [&](int64_t p) {
    return shape.window > 0 ? std::max<int64_t>(0, p - shape.window + 1) : 0;
  };
  Matrix out(q.rows, q.columns);
  const std::vector<Block> blocks = cut_blocks(shape, sequences);
  std::vector<std::vector<float>> scratch(static_cast<size_t>(pool.size()));
  pool.parallel_for(static_cast<int64_t>(blocks.size()), [&](int64_t index, int worker) {
    const Block& block = blocks[index];
    const AttentionSequence& s = *block.sequence;
    const int64_t length = s.prefix_length + s.length;
    const int64_t first = length - s.queries + block.begin;  // position of the first query
    const int64_t low = first_key(first), keys = first + block.count - low;
    // Of the keys from `low` on, `shared` lie in the prefix.
    const int64_t shared = std::max<int64_t>(0, s.prefix_length - low), own = keys - shared;
    const int64_t prefix_offset = low * kv_stride + block.kv_head * width;
    const int64_t own_offset =
        std::max<int64_t>(0, low - s.prefix_length) * kv_stride + block.kv_head * width;
    std::vector<float>& scores = scratch[worker];
    scores.resize(static_cast<size_t>(block.count * keys));
    for (int64_t head = block.kv_head * group; head < (block.kv_head + 1) * group; ++head) {
      const int64_t offset = (s.first_row + block.begin) * q.columns + head * width;
      const float* queries = q.data() + offset;
      if (shared > 0)
        sgemm(false, true, block.count, shared, width, scale, queries, q.columns,
              s.prefix_keys + prefix_offset, kv_stride, 0, scores.data(), keys);
      sgemm(false, true, block.count, own, width, scale, queries, q.columns, s.keys + own_offset,
            kv_stride, 0, scores.data() + shared, keys);
      for (int64_t r = 0; r < block.count; ++r) {
        float* row = scores.data() + r * keys;
        const int64_t begin = first_key(first + r) - low, end = first + r + 1 - low;
        std::fill(row, row + begin, 0.0f);
        softmax_row(row + begin, end - begin);
        std::fill(row + end, row + keys, 0.0f);
        if (probabilities && &s == sequences.data())
          std::copy_n(row, keys,
                      probabilities + (head * s.queries + block.begin + r) * length + low);
      }
      if (shared > 0)
        sgemm(false, false, block.count, width, shared, 1, scores.data(), keys,
              s.prefix_values + prefix_offset, kv_stride, 0, out.data() + offset, q.columns);
      sgemm(false, false, block.count, width, own, 1, scores.data() + shared, keys,
            s.values + own_offset, kv_stride, shared > 0 ? 1 : 0, out.data() + offset, q.columns);
    }
  });
  return out;
}

}  // namespace tandem::engine
