// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>

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

TEST(KCore, DroppingCascades) {
  // User 2 holds item 1 only through item 0's fall: 0-0, 1-0, 1-1, 2-1 with two each leaves
  // nothing.
  const std::vector<int32_t> user = {0, 1, 1, 2}, item = {0, 0, 1, 1};
  EXPECT_EQ(k_core(user, item, {}, 3, 2, 2, 2), std::vector<bool>(4, false));
  EXPECT_EQ(k_core(user, item, {}, 3, 2, 1, 2), std::vector<bool>(4, true));
}

}  // namespace
}  // namespace tandem
