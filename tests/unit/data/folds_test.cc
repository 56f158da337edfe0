// SPDX-License-Identifier: Apache-2.0
#include "data/folds.h"

#include <gtest/gtest.h>

#include <string>

namespace tandem {
namespace {

std::string trained(UserFolds folds) {
  std::string users;
  for (int64_t user = 0; user < 8; ++user) {
    if (folds.trains(user)) users += std::to_string(user);
  }
  return users;
}

TEST(UserFolds, AFoldKeepsEveryKthUserOutOfTraining) {
  EXPECT_EQ(trained({.count = 3, .left_out = 0}), "12457");
  EXPECT_EQ(trained({.count = 3, .left_out = 1}), "02356");
  EXPECT_EQ(trained({.count = 3, .left_out = 2}), "013467");
  EXPECT_EQ(trained({.count = 3, .left_out = -1}), "01234567");
  EXPECT_EQ(trained({.count = 3}), "01234567");
  EXPECT_EQ(trained({}), "01234567");
  const UserFolds folds{.count = 3, .left_out = 1};
  EXPECT_EQ(folds.of(0), 0);
  EXPECT_EQ(folds.of(4), 1);
  EXPECT_EQ(folds.of(5), 2);
}

}  // namespace
}  // namespace tandem
