// SPDX-License-Identifier: Apache-2.0
#include "models/token_packs.h"

#include <gtest/gtest.h>

#include <utility>

namespace tandem {
namespace {

using Pairs = std::vector<std::pair<int64_t, int64_t>>;

Pairs packs(const std::vector<int64_t>& lengths, int64_t most) {
  Pairs pairs;
  for (const TokenPack& pack : token_packs(lengths, most)) pairs.emplace_back(pack.begin, pack.end);
  return pairs;
}

TEST(TokenPacks, HoldAsManyTextsAsFit) {
  EXPECT_EQ(packs({}, 10), Pairs{});
  EXPECT_EQ(packs({4, 6, 1, 10, 3}, 10), (Pairs{{0, 2}, {2, 3}, {3, 4}, {4, 5}}));
  EXPECT_EQ(packs({5, 5, 5}, 15), (Pairs{{0, 3}}));
}

TEST(TokenPacks, ALongTextIsAlone) {
  EXPECT_EQ(packs({11, 2, 30, 1}, 10), (Pairs{{0, 1}, {1, 2}, {2, 3}, {3, 4}}));
}

}  // namespace
}  // namespace tandem
