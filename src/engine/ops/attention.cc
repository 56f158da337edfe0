// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/attention.h"

#include <algorithm>
#include <cmath>

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

template <typename F>
void for_blocks(const AttentionShape& shape, const AttentionSequence& sequence, const F& f) {
  const int64_t queries = std::ssize(sequence.ranges);
  for (int64_t head = 0; head < shape.kv_heads; ++head)
    for (int64_t begin = 0; begin < queries; begin += kQueryBlock)
      f(Block{&sequence, head, begin, std::min(kQueryBlock, queries - begin)});
}

// f(segment, offset, begin, end): what lies in positions [low, high), segment by segment; begin and
// end count within the segment, offset is where it starts among them.
template <typename F>
void for_segments(const AttentionSequence& sequence, int64_t low, int64_t high, const F& f) {
  int64_t start = 0;
  for (const KeySegment& segment : sequence.segments) {
    const int64_t begin = std::max<int64_t>(0, low - start),
                  end = std::min(segment.length, high - start);
    if (begin < end) f(segment, start + begin - low, begin, end);
    start += segment.length;
  }
}

// q, out: the sequence's rows, heads * head_dim floats each.
void attend_block(const AttentionShape& shape, const Block& block, const float* q, float* out,
                  std::vector<float>& scratch, float* probabilities) {
  const int64_t group = shape.heads / shape.kv_heads, width = shape.head_dim;
  const int64_t row_width = shape.heads * width, stride = shape.kv_heads * width;
  const AttentionSequence& s = *block.sequence;
  const float scale = 1.0f / std::sqrt(static_cast<float>(width));
  const KeyRange* ranges = s.ranges.data() + block.begin;
  int64_t low = ranges[0].begin, high = ranges[0].end;
  for (int64_t r = 1; r < block.count; ++r) {
    low = std::min(low, ranges[r].begin);
    high = std::max(high, ranges[r].end);
  }
  const int64_t keys = high - low, length = s.length();
  scratch.resize(block.count * keys);
  float* scores = scratch.data();
  for (int64_t head = block.kv_head * group; head < (block.kv_head + 1) * group; ++head) {
    const int64_t at = block.begin * row_width + head * width, key_at = block.kv_head * width;
    for_segments(s, low, high,
                 [&](const KeySegment& segment, int64_t offset, int64_t begin, int64_t end) {
                   sgemm(false, true, block.count, end - begin, width, scale, q + at, row_width,
                         segment.keys + begin * stride + key_at, stride, 0, scores + offset, keys);
                 });
    for (int64_t r = 0; r < block.count; ++r) {
      float* row = scores + r * keys;
      const int64_t begin = ranges[r].begin - low, end = ranges[r].end - low;
      std::fill(row, row + begin, 0.0f);
      softmax_row(row + begin, end - begin);
      std::fill(row + end, row + keys, 0.0f);
      if (probabilities)
        std::copy_n(row, keys,
                    probabilities + (head * std::ssize(s.ranges) + block.begin + r) * length + low);
    }
    float sum = 0;  // beta: the first segment writes, the others add
    for_segments(
        s, low, high, [&](const KeySegment& segment, int64_t offset, int64_t begin, int64_t end) {
          sgemm(false, false, block.count, width, end - begin, 1, scores + offset, keys,
                segment.values + begin * stride + key_at, stride, sum, out + at, row_width);
          sum = 1;
        });
  }
}

void check(const AttentionSequence& sequence) {
  const int64_t length = sequence.length();
  for (const KeyRange& range : sequence.ranges)
    TANDEM_CHECK(0 <= range.begin && range.begin < range.end && range.end <= length,
                 "keys {} to {} of {}", range.begin, range.end, length);
}

}  // namespace

int64_t AttentionSequence::length() const {
  int64_t sum = 0;
  for (const KeySegment& segment : segments) sum += segment.length;
  return sum;
}

std::vector<KeyRange> causal_ranges(int64_t first, int64_t count, int64_t window) {
  std::vector<KeyRange> ranges;
  ranges.reserve(count);
  for (int64_t p = first; p < first + count; ++p)
    ranges.push_back({window > 0 ? std::max<int64_t>(0, p - window + 1) : 0, p + 1});
  return ranges;
}

Matrix attention(const AttentionShape& shape, const Matrix& q,
                 const std::vector<AttentionSequence>& sequences, ThreadPool& pool,
                 float* probabilities) {
  TANDEM_CHECK(q.columns == shape.heads * shape.head_dim, "q has {} columns", q.columns);
  Matrix out(q.rows, q.columns);
  std::vector<Block> blocks;
  for (const AttentionSequence& sequence : sequences) {
    check(sequence);
    for_blocks(shape, sequence, [&](const Block& block) { blocks.push_back(block); });
  }
  std::vector<std::vector<float>> scratch(pool.size());
  pool.parallel_for(std::ssize(blocks), [&](int64_t index, int worker) {
    const Block& block = blocks[index];
    const int64_t at = block.sequence->first_row * q.columns;
    attend_block(shape, block, q.data() + at, out.data() + at, scratch[worker],
                 block.sequence == sequences.data() ? probabilities : nullptr);
  });
  return out;
}

void attend(const AttentionShape& shape, const float* q, const AttentionSequence& sequence,
            float* out) {
  check(sequence);
  std::vector<float> scratch;
  for_blocks(shape, sequence,
             [&](const Block& block) { attend_block(shape, block, q, out, scratch, nullptr); });
}

}  // namespace tandem::engine
