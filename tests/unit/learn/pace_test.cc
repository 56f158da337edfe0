// SPDX-License-Identifier: Apache-2.0
#include "learn/trainer/pace.h"

#include <gtest/gtest.h>

namespace tandem::learn {
namespace {

TEST(TrainingPace, CountsTheValidationsToCome) {
  TrainingPace pace;
  pace.stepped(1);
  pace.stepped(3);                             // 2 s a step
  EXPECT_EQ(pace.seconds_left(2, 10, 5), 16);  // none seen so far
  pace.validated(30);
  EXPECT_EQ(pace.seconds_left(2, 10, 5), 16 + 2 * 30);  // after steps 5 and 10
  EXPECT_EQ(pace.seconds_left(4, 10, 5), 12 + 2 * 30);
  EXPECT_EQ(pace.seconds_left(5, 10, 5), 10 + 1 * 30);  // the one of step 5 is done
  EXPECT_EQ(pace.seconds_left(5, 12, 5), 14 + 2 * 30);  // after step 10 and at the end
  EXPECT_EQ(pace.seconds_left(11, 12, 5), 2 + 1 * 30);
  EXPECT_EQ(pace.seconds_left(0, 3, 100), 6 + 1 * 30);
  EXPECT_EQ(pace.seconds_left(12, 12, 5), 0);
  pace.validated(10);
  EXPECT_EQ(pace.seconds_left(5, 10, 5), 10 + 20);
}

}  // namespace
}  // namespace tandem::learn
