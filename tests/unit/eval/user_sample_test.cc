// SPDX-License-Identifier: Apache-2.0
#include "eval/user_sample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace tandem {
namespace {

std::vector<int64_t> users(int64_t count) {
  std::vector<int64_t> all(count);
  std::iota(all.begin(), all.end(), int64_t{0});
  return all;
}

TEST(UserSample, IsNamedAndDrawnFromTheSeedAlone) {
  const UserSample sample{.size = 5, .seed = 42};
  EXPECT_EQ(sample.name(100), "5 drawn with seed 42");
  EXPECT_EQ(sample.draw(users(100)), (std::vector<int64_t>{38, 43, 50, 53, 55}));
  EXPECT_NE((UserSample{.size = 5, .seed = 43}.draw(users(100))), sample.draw(users(100)));
  // Whoever else is there: a user's lot is its own.
  std::vector<int64_t> some = sample.draw(users(100));
  some.insert(some.begin() + 2, 1000);
  const std::vector<int64_t> among = sample.draw(some);
  EXPECT_GE(std::ranges::count_if(among, [](int64_t user) { return user < 100; }), 4);
}

TEST(UserSample, ALargerOneHoldsTheSmallerOne) {
  const auto small = UserSample{.size = 20, .seed = 7}.draw(users(500)),
             large = UserSample{.size = 200, .seed = 7}.draw(users(500));
  EXPECT_EQ(small.size(), 20U);
  EXPECT_TRUE(std::ranges::includes(large, small));
  EXPECT_TRUE(std::ranges::is_sorted(large));
  EXPECT_EQ(std::ranges::adjacent_find(large), large.end());
  // Uniform: of 500 users about half of the 200 lie in the lower half (sd 5.5).
  const auto lower = std::ranges::count_if(large, [](int64_t user) { return user < 250; });
  EXPECT_NEAR(static_cast<double>(lower), 100, 30);
}

TEST(UserSample, AllUsersAreNoSample) {
  EXPECT_EQ(UserSample{}.name(3), "all");
  EXPECT_EQ(UserSample{.size = 3}.name(3), "all");
  EXPECT_EQ(UserSample{}.draw(users(3)), users(3));
  EXPECT_EQ(UserSample{.size = 9}.draw(users(3)), users(3));
}

TEST(UserSample, RowsKeepWhatTheySay) {
  RankList ranks;
  for (int64_t user = 0; user < 10; ++user)
    ranks.add(
        user, static_cast<int32_t>(user + 1),
        {.rank = static_cast<int32_t>(user % 3), .tied = user % 2 == 1, .excluded = user % 3 == 0});
  const RankList drawn = UserSample{.size = 4, .seed = 1}.draw(ranks);
  ASSERT_EQ(drawn.size(), 4);
  for (size_t i = 0; i < 4; ++i) {
    const auto row = static_cast<size_t>(drawn.users[i]);
    EXPECT_EQ(drawn.targets[i], ranks.targets[row]);
    EXPECT_EQ(drawn.ranks[i], ranks.ranks[row]);
    EXPECT_EQ(drawn.tied[i], ranks.tied[row]);
    EXPECT_EQ(drawn.excluded[i], ranks.excluded[row]);
  }
}

}  // namespace
}  // namespace tandem
