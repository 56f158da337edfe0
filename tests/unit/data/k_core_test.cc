// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <string>

#include "data/raw_log.h"

namespace tandem {
namespace {

// One weak user or item at a time, until there is none.
std::vector<bool> slow_core(const std::vector<int32_t>& user, const std::vector<int32_t>& item,
                            int64_t min_user, int64_t min_item) {
  std::vector<bool> keep(user.size(), true);
  for (bool changed = true; changed;) {
    changed = false;
    std::map<int32_t, int64_t> users, items;
    for (size_t row = 0; row < user.size(); ++row) {
      users[user[row]] += keep[row];
      items[item[row]] += keep[row];
    }
    for (size_t row = 0; row < user.size() && !changed; ++row) {
      if (!keep[row] || (users[user[row]] >= min_user && items[item[row]] >= min_item)) continue;
      keep[row] = false;
      changed = true;
    }
  }
  return keep;
}

TEST(KCore, EqualsTheSlowOneAndIsAFixedPoint) {
  EXPECT_TRUE(rc::check([] {
    const auto rows = *rc::gen::container<std::vector<std::pair<int, int>>>(
        rc::gen::pair(rc::gen::inRange(0, 6), rc::gen::inRange(0, 6)));
    const int64_t min_user = *rc::gen::inRange(0, 5), min_item = *rc::gen::inRange(0, 5);
    std::vector<int32_t> user, item;
    for (const auto& [u, i] : rows) {
      user.push_back(u);
      item.push_back(i);
    }
    const std::vector<bool> core = k_core(user, item, {}, 6, 6, min_user, min_item);
    RC_ASSERT(core == slow_core(user, item, min_user, min_item));
    RC_ASSERT(k_core(user, item, core, 6, 6, min_user, min_item) == core);
  }));
}

// "1101" keeps rows 0, 1 and 3.
std::string kept(const std::vector<int32_t>& user, const std::vector<int32_t>& item,
                 int64_t min_user, int64_t min_item, const std::vector<bool>& keep = {}) {
  std::string text;
  for (const bool stays : k_core(user, item, keep, 4, 4, min_user, min_item))
    text += stays ? '1' : '0';
  return text;
}

TEST(KCore, DroppingCascades) {
  // User 2 holds item 1 only through item 0's fall: 0-0, 1-0, 1-1, 2-1 with two each leaves
  // nothing.
  const std::vector<int32_t> user = {0, 1, 1, 2}, item = {0, 0, 1, 1};
  EXPECT_EQ(kept(user, item, 2, 2), "0000");
  EXPECT_EQ(kept(user, item, 1, 2), "1111");
  EXPECT_EQ(kept(user, item, 2, 1), "0110");
  EXPECT_EQ(kept(user, item, 0, 0), "1111");
  EXPECT_EQ(kept(user, item, 1, 3), "0000");
}

TEST(KCore, ThresholdsAreInclusiveAndApart) {
  // User 0: items 0 1 2; user 1: items 0 1; user 2: item 0.
  const std::vector<int32_t> user = {0, 0, 0, 1, 1, 2}, item = {0, 1, 2, 0, 1, 0};
  EXPECT_EQ(kept(user, item, 3, 1), "111000");
  EXPECT_EQ(kept(user, item, 2, 1), "111110");
  EXPECT_EQ(kept(user, item, 1, 3), "100101");
  EXPECT_EQ(kept(user, item, 2, 2), "110110");
}

TEST(KCore, ARepeatedPairCountsTwice) {
  const std::vector<int32_t> user = {0, 0, 1}, item = {0, 0, 0};
  EXPECT_EQ(kept(user, item, 2, 1), "110");
  EXPECT_EQ(kept(user, item, 2, 2), "110");
}

TEST(KCore, RowsOutsideTheMaskCountForNothing) {
  const std::vector<int32_t> user = {0, 0, 1, 1}, item = {0, 1, 0, 1};
  EXPECT_EQ(kept(user, item, 2, 1), "1111");
  EXPECT_EQ(kept(user, item, 2, 1, {true, false, true, true}), "0011");
  EXPECT_EQ(kept(user, item, 2, 2, {true, false, true, true}), "0000");
}

}  // namespace
}  // namespace tandem
