// SPDX-License-Identifier: Apache-2.0
#include "core/plural.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

TEST(Plural, OnlyOneIsSingular) {
  EXPECT_EQ(counted(1, "user"), "1 user");
  EXPECT_EQ(counted(0, "user"), "0 users");
  EXPECT_EQ(counted(2, "user"), "2 users");
  EXPECT_EQ(counted(-1, "step"), "-1 steps");
  EXPECT_EQ(counted(1, "history", "histories"), "1 history");
  EXPECT_EQ(counted(21, "history", "histories"), "21 histories");
  EXPECT_EQ(plural(3, "bad line"), "bad lines");
}

}  // namespace
}  // namespace tandem
