// SPDX-License-Identifier: Apache-2.0
#include "engine/llama/kv_cache.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace tandem::engine {
namespace {

constexpr int64_t kLayers = 2, kWidth = 3;
constexpr int64_t kBlockBytes = kLayers * 2 * KvCache::kBlock * kWidth * 4;

// Adds `count` positions whose keys are first, first + 1, ... and whose values are their opposites.
void add(KvCache& cache, int64_t count, float first) {
  Matrix keys(count, kWidth), values(count, kWidth);
  for (int64_t r = 0; r < count; ++r)
    for (int64_t c = 0; c < kWidth; ++c) {
      keys.row(r)[c] = first + static_cast<float>(r);
      values.row(r)[c] = -keys.row(r)[c];
    }
  cache.reserve(count);
  for (int64_t layer = 0; layer < kLayers; ++layer) cache.append(layer, keys, values, 0, count);
  cache.advance(count);
}

// The first number of every key, and whether the values fit.
std::vector<float> content(const KvCache& cache, int64_t layer = 1) {
  std::vector<KeySegment> segments;
  cache.add_segments(layer, cache.length(), segments);
  std::vector<float> all;
  for (const KeySegment& segment : segments)
    for (int64_t i = 0; i < segment.length; ++i) {
      EXPECT_EQ(segment.values[i * kWidth], -segment.keys[i * kWidth]);
      all.push_back(segment.keys[i * kWidth + kWidth - 1]);
    }
  return all;
}

std::vector<float> counted(int64_t count) {
  std::vector<float> all;
  for (int64_t i = 0; i < count; ++i) all.push_back(static_cast<float>(i));
  return all;
}

TEST(KvCache, GrowsOverBlocks) {
  KvCache cache(kLayers, kWidth);
  int64_t length = 0;
  for (const int64_t count : {1, 254, 1, 3, 600}) {
    add(cache, count, static_cast<float>(length));
    length += count;
    EXPECT_EQ(cache.length(), length);
    EXPECT_EQ(content(cache), counted(length));
  }
}

TEST(KvCache, CopiesShareFullBlocksAndWriteTheirOwn) {
  const auto budget = std::make_shared<KvBudget>();
  KvCache cache(kLayers, kWidth, budget);
  add(cache, 300, 0);
  EXPECT_EQ(budget->used(), 2 * kBlockBytes);
  KvCache other = cache;
  EXPECT_EQ(budget->used(), 3 * kBlockBytes);  // the full block is shared
  add(cache, 1, 1000);
  add(other, 1, 2000);
  EXPECT_EQ(content(cache).back(), 1000);
  EXPECT_EQ(content(other).back(), 2000);

  // Back into the block that both share.
  other.truncate(100);
  EXPECT_EQ(other.length(), 100);
  add(other, 1, 3000);
  EXPECT_EQ(content(other)[100], 3000);
  EXPECT_EQ(content(cache)[100], 100);
  cache = other;
  EXPECT_EQ(content(cache), content(other));
  EXPECT_EQ(budget->used(), 2 * kBlockBytes);
}

TEST(KvCache, ABudgetIsKeptAndGivenBack) {
  const auto budget = std::make_shared<KvBudget>(3 * kBlockBytes);
  {
    KvCache cache(kLayers, kWidth, budget);
    add(cache, KvCache::kBlock, 0);
    EXPECT_THROW(cache.reserve(3 * KvCache::kBlock), DataError);
    EXPECT_EQ(budget->used(), kBlockBytes) << "nothing is kept of what was refused";
    KvCache other(kLayers, kWidth, budget);
    add(other, 2 * KvCache::kBlock, 0);
    EXPECT_THROW(cache.reserve(1), DataError);
    other.truncate(0);
    EXPECT_EQ(budget->used(), kBlockBytes);
    add(cache, 1, 256);
    EXPECT_EQ(content(cache), counted(257));
  }
  EXPECT_EQ(budget->used(), 0);
}

}  // namespace
}  // namespace tandem::engine
