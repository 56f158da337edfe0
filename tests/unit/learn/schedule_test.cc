// SPDX-License-Identifier: Apache-2.0
#include "learn/optim/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"

namespace tandem::learn {
namespace {

TEST(Schedule, WarmsUpThenFalls) {
  const Schedule linear{ScheduleKind::kLinear, 4, 12};
  EXPECT_EQ(linear.factor(0), 0);
  EXPECT_EQ(linear.factor(2), 0.5);
  EXPECT_EQ(linear.factor(4), 1);
  EXPECT_EQ(linear.factor(8), 0.5);
  EXPECT_EQ(linear.factor(12), 0);
  const Schedule cosine{ScheduleKind::kCosine, 0, 10};
  EXPECT_NEAR(cosine.factor(5), 0.5, 1e-12);
  EXPECT_EQ(Schedule{}.factor(1000), 1);
  EXPECT_THROW(parse_schedule("step"), ConfigError);
}

TEST(Schedule, FirstAndLastSteps) {
  const Schedule linear{ScheduleKind::kLinear, 4, 12}, cosine{ScheduleKind::kCosine, 3, 11},
      constant{ScheduleKind::kConstant, 4, 12}, cold{ScheduleKind::kLinear, 0, 10};
  EXPECT_EQ(linear.factor(1), 0.25);
  EXPECT_EQ(linear.factor(3), 0.75);
  EXPECT_EQ(linear.factor(5), 0.875);
  EXPECT_EQ(linear.factor(11), 0.125);
  EXPECT_EQ(linear.factor(13), 0);
  EXPECT_EQ(constant.factor(0), 0);
  EXPECT_EQ(constant.factor(4), 1);
  EXPECT_EQ(constant.factor(11), 1);
  EXPECT_EQ(cold.factor(0), 1);
  EXPECT_NEAR(cold.factor(9), 0.1, 1e-12);
  EXPECT_NEAR(cosine.factor(2), 2.0 / 3, 1e-12);
  EXPECT_EQ(cosine.factor(3), 1);
  EXPECT_NEAR(cosine.factor(5), (1 + std::sqrt(0.5)) / 2, 1e-12);  // a quarter of the way
  EXPECT_NEAR(cosine.factor(9), (1 - std::sqrt(0.5)) / 2, 1e-12);
  EXPECT_NEAR(cosine.factor(11), 0, 1e-12);
  EXPECT_EQ(parse_schedule("linear"), ScheduleKind::kLinear);
  EXPECT_EQ(parse_schedule("cosine"), ScheduleKind::kCosine);
  EXPECT_EQ(parse_schedule("constant"), ScheduleKind::kConstant);
}

}  // namespace
}  // namespace tandem::learn
