// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/rng.h"

namespace tandem::engine {
namespace {

Matrix random_matrix(int64_t rows, int64_t columns, Rng& rng) {
  Matrix x(rows, columns);
  for (float& value : x.values) value = static_cast<float>(rng.normal());
  return x;
}

// The definition in double, one query and head at a time.
std::vector<double> by_definition(const AttentionShape& shape, const float* q, const Matrix& k,
                                  const Matrix& v, const std::vector<KeyRange>& ranges) {
  std::vector<double> out;
  const int64_t dim = shape.head_dim, group = shape.heads / shape.kv_heads;
  for (const KeyRange& range : ranges) {
    for (int64_t head = 0; head < shape.heads; ++head) {
      const int64_t at = head / group * dim;
      double total = 0;
      std::vector<double> sum(dim);
      for (int64_t j = range.begin; j < range.end; ++j) {
        double dot = 0;
        for (int64_t d = 0; d < dim; ++d) dot += double{q[head * dim + d]} * k.row(j)[at + d];
        const double weight = std::exp(dot / std::sqrt(static_cast<double>(dim)));
        total += weight;
        for (int64_t d = 0; d < dim; ++d) sum[d] += weight * v.row(j)[at + d];
      }
      for (const double x : sum) out.push_back(x / total);
    }
    q += shape.heads * dim;
  }
  return out;
}

void expect_near(const float* found, const std::vector<double>& wanted) {
  for (size_t i = 0; i < wanted.size(); ++i) ASSERT_NEAR(found[i], wanted[i], 1e-5) << i;
}

// Keys in one piece, or cut where caches and prefixes cut them.
std::vector<KeySegment> cut(const Matrix& k, const Matrix& v, const std::vector<int64_t>& lengths) {
  std::vector<KeySegment> segments;
  int64_t begin = 0;
  for (const int64_t length : lengths) {
    segments.push_back({k.row(begin), v.row(begin), length});
    begin += length;
  }
  return segments;
}

std::vector<KeyRange> prefix_ranges(int64_t count, int64_t prefix) {
  std::vector<KeyRange> ranges;
  for (int64_t i = 0; i < count; ++i) ranges.push_back({0, std::max(prefix, i + 1)});
  return ranges;
}

TEST(Attention, EqualsTheDefinitionForEveryKindOfRange) {
  constexpr int64_t kKeys = 150;
  Rng rng(6);
  for (const AttentionShape& shape :
       {AttentionShape{2, 2, 3}, AttentionShape{4, 2, 8}, AttentionShape{3, 1, 5}}) {
    const Matrix k = random_matrix(kKeys, shape.kv_heads * shape.head_dim, rng),
                 v = random_matrix(kKeys, shape.kv_heads * shape.head_dim, rng);
    for (const std::vector<KeyRange>& ranges :
         {causal_ranges(0, kKeys), causal_ranges(kKeys - 1, 1), causal_ranges(40, 110, 7),
          std::vector<KeyRange>(70, {0, kKeys}), prefix_ranges(kKeys, 90),
          std::vector<KeyRange>{{149, 150}, {3, 4}, {20, 90}}}) {
      const Matrix q = random_matrix(std::ssize(ranges), shape.heads * shape.head_dim, rng);
      const std::vector<double> wanted = by_definition(shape, q.data(), k, v, ranges);
      for (const std::vector<int64_t>& lengths :
           {std::vector<int64_t>{kKeys}, {64, 64, 22}, {1, 0, 148, 1}}) {
        const std::vector<AttentionSequence> one{
            {.first_row = 0, .segments = cut(k, v, lengths), .ranges = ranges}};
        ThreadPool single(1), two(2);
        const Matrix out = attention(shape, q, one, single);
        expect_near(out.data(), wanted);
        EXPECT_EQ(out.values, attention(shape, q, one, two).values);
        Matrix alone(q.rows, q.columns);
        attend(shape, q.data(), one[0], alone.data());
        EXPECT_EQ(out.values, alone.values);
      }
    }
  }
}

TEST(Attention, SequencesOfABatchDoNotSeeEachOther) {
  Rng rng(7);
  const AttentionShape shape{2, 1, 4};
  const Matrix k = random_matrix(12, 4, rng), v = random_matrix(12, 4, rng),
               q = random_matrix(9, 8, rng);
  const std::vector<AttentionSequence> sequences{
      {.first_row = 0, .segments = cut(k, v, {5}), .ranges = causal_ranges(0, 5)},
      {.first_row = 5, .segments = {{k.row(5), v.row(5), 7}}, .ranges = causal_ranges(3, 4)}};
  ThreadPool pool(2);
  std::vector<float> probabilities(2 * 5 * 5, -1.0f);
  const Matrix out = attention(shape, q, sequences, pool, probabilities.data());
  expect_near(out.row(0), by_definition(shape, q.row(0), k, v, causal_ranges(0, 5)));
  Matrix later_k(7, 4), later_v(7, 4);
  std::copy_n(k.row(5), 28, later_k.data());
  std::copy_n(v.row(5), 28, later_v.data());
  expect_near(out.row(5), by_definition(shape, q.row(5), later_k, later_v, causal_ranges(3, 4)));
  for (int64_t query = 0; query < 5; ++query) {
    float sum = 0;
    for (int64_t j = 0; j <= query; ++j) sum += probabilities[query * 5 + j];
    EXPECT_NEAR(sum, 1, 1e-6);
  }
}

}  // namespace
}  // namespace tandem::engine
