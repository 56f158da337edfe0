// SPDX-License-Identifier: Apache-2.0
#include "core/rng.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

namespace tandem {
namespace {

// Known answers of philox4x32-10 from the authors' Random123 distribution.
TEST(Philox, KnownAnswers) {
  using Block = std::array<uint32_t, 4>;
  EXPECT_EQ(philox(0, {0, 0, 0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox(~uint64_t{0}, {~0u, ~0u, ~0u, ~0u}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox(0x299f31d0a4093822, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Rng, IsAPureFunctionOfItsKey) {
  const auto first = [](Rng rng) { return rng.next_u64(); };
  EXPECT_EQ(first(Rng(1, RngPurpose::kDropout, 2, 3)), first(Rng(1, RngPurpose::kDropout, 2, 3)));
  std::set<uint64_t> draws;
  for (const uint64_t seed : {1, 2}) {
    for (const auto purpose : {RngPurpose::kInit, RngPurpose::kShuffle}) {
      for (const uint32_t epoch : {0u, 1u}) {
        for (const uint64_t sample : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32})
          draws.insert(first(Rng(seed, purpose, epoch, sample)));
      }
    }
  }
  EXPECT_EQ(draws.size(), 24u) << "every part of the key counts";
}

TEST(Rng, WordsFollowTheBlocks) {
  Rng rng(0, static_cast<RngPurpose>(0));  // key 0, counter 0
  EXPECT_EQ(rng.next_u32(), 0x6627e8d5u);
  EXPECT_EQ(rng.next_u32(), 0xe169c58du);
  EXPECT_EQ(rng.next_u64(), 0x9b00dbd8bc57ac4cu);
  EXPECT_EQ(rng.next_u32(), philox(0, {1, 0, 0, 0})[0]);
}

// Limits are five standard errors.
TEST(Rng, UniformAndNormalHaveTheirMoments) {
  Rng rng(11);
  constexpr int kDraws = 200000;
  double uniform_sum = 0, normal_sum = 0, square_sum = 0, fourth_sum = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = rng.uniform();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    uniform_sum += u;
    const double z = rng.normal();
    ASSERT_TRUE(std::isfinite(z));
    normal_sum += z;
    square_sum += z * z;
    fourth_sum += z * z * z * z;
  }
  const double error = 5 / std::sqrt(double{kDraws});
  EXPECT_NEAR(uniform_sum / kDraws, 0.5, error * std::sqrt(1.0 / 12));
  EXPECT_NEAR(normal_sum / kDraws, 0.0, error);
  EXPECT_NEAR(square_sum / kDraws, 1.0, error * std::sqrt(2.0));
  EXPECT_NEAR(fourth_sum / kDraws, 3.0, error * std::sqrt(96.0));
}

TEST(Rng, BelowIsUniform) {
  Rng rng(12);
  constexpr int kBound = 7, kDraws = 70000;
  std::array<int, kBound> counts{};
  for (int i = 0; i < kDraws; ++i) ++counts.at(rng.below(kBound));
  double chi_square = 0;
  for (const int count : counts)
    chi_square += std::pow(count - kDraws / kBound, 2) / (kDraws / kBound);
  EXPECT_LT(chi_square, 22.5);  // the 99.9 % point of 6 degrees of freedom
  EXPECT_EQ(rng.below(1), 0u);
  for (int i = 0; i < 100; ++i)
    EXPECT_LT(rng.below((uint64_t{1} << 63) + 1), (uint64_t{1} << 63) + 1);
}

TEST(Rng, ShuffleReachesEveryOrderEquallyOften) {
  std::array<int, 6> counts{};
  constexpr int kShuffles = 12000;
  Rng rng(13);
  for (int i = 0; i < kShuffles; ++i) {
    std::array<int, 3> values = {0, 1, 2};
    rng.shuffle(std::span<int>(values));
    // The rank of the order: which comes first, and whether the other two stand in order.
    ++counts.at(static_cast<size_t>(values[0] * 2 + (values[1] > values[2] ? 1 : 0)));
  }
  for (const int count : counts)
    EXPECT_NEAR(count, kShuffles / 6, 5 * std::sqrt(kShuffles * 5.0 / 36));
}

}  // namespace
}  // namespace tandem
