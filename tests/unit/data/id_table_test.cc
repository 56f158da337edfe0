// SPDX-License-Identifier: Apache-2.0
#include "data/id_table.h"

#include <gtest/gtest.h>

#include <string>

namespace tandem {
namespace {

TEST(IdTable, NumbersInFirstSeenOrder) {
  IdTable table;
  EXPECT_EQ(table.add("b"), 0);
  EXPECT_EQ(table.add("a"), 1);
  EXPECT_EQ(table.add("b"), 0);
  EXPECT_EQ(table.add(""), 2);
  EXPECT_EQ(table.size(), 3);
  EXPECT_EQ(table.find("a"), 1);
  EXPECT_EQ(table.find("c"), std::nullopt);
  EXPECT_EQ(table.ids(), (std::vector<std::string_view>{"b", "a", ""}));
}

TEST(IdTable, TellsNearIdsApart) {
  IdTable table;
  const std::string zero("a\0", 2);
  // Seven bytes are in the key, longer ids are compared whole.
  const std::string_view ids[] = {"a",        zero,       "aaaaaaa",  "aaaaaaab",
                                  "aaaaaaac", "aaaaaaaa", "aaaaaaaaa"};
  for (const std::string_view id : ids) table.add(id);
  EXPECT_EQ(table.size(), 7);
  for (int32_t i = 0; i < 7; ++i) {
    EXPECT_EQ(table.find(ids[i]), i);
    EXPECT_EQ(table[i], ids[i]);
  }
}

TEST(IdTable, KeepsItsStringsAsItGrows) {
  IdTable table;
  for (int i = 0; i < 100000; ++i) ASSERT_EQ(table.add("id " + std::to_string(i)), i);
  ASSERT_EQ(table.add(std::string(1 << 20, 'x')), 100000);  // longer than a block
  for (int i = 0; i < 100000; ++i) ASSERT_EQ(table.find("id " + std::to_string(i)), i);
  EXPECT_EQ(table[99999], "id 99999");
  EXPECT_EQ(table[100000].size(), size_t{1} << 20);
}

}  // namespace
}  // namespace tandem
