// SPDX-License-Identifier: Apache-2.0
#include "eval/position_bias.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "eval/bootstrap.h"
#include "eval/history_length.h"

namespace tandem {
namespace {

TEST(PositionBias, EqualsHandWorkedNumbers) {
  ThreadPool pool(1);
  // Three users' truth at place 0 (ranks 1, 2, 1), one at place 2 (rank 3).
  const PositionOutcome outcomes[] = {{0, 0, 1}, {0, 1, 2}, {0, 0, 1}, {2, 0, 3}};
  const PositionBias bias = position_bias("letters", outcomes, 3, 7, {.resamples = 50}, pool);
  ASSERT_EQ(bias.rows.size(), 3U);
  EXPECT_EQ(bias.rows[0].num_users, 3);
  EXPECT_DOUBLE_EQ(bias.rows[0].recall1, 2.0 / 3);
  EXPECT_DOUBLE_EQ(bias.rows[0].ndcg10, (2 + 1 / std::log2(3)) / 3);
  // Each metric with its own interval: the bootstrap of the users with the truth at this place.
  const Metric metrics[] = {{MetricKind::kRecall, 1}, {MetricKind::kNdcg, 10}};
  const std::vector<int32_t> first = {1, 2, 1};
  const auto wanted = bootstrap_intervals(user_values(first, metrics), {.resamples = 50}, pool);
  EXPECT_EQ(bias.rows[0].recall1_interval.low, wanted[0].low);
  EXPECT_EQ(bias.rows[0].recall1_interval.high, wanted[0].high);
  EXPECT_EQ(bias.rows[0].ndcg10_interval.low, wanted[1].low);
  EXPECT_EQ(bias.rows[0].ndcg10_interval.high, wanted[1].high);
  EXPECT_LT(wanted[0].low, wanted[1].low);
  EXPECT_EQ(bias.seed, 7U);
  EXPECT_EQ(bias.system, "letters");
  EXPECT_EQ(bias.rows[1].num_users, 0);
  EXPECT_DOUBLE_EQ(bias.rows[2].ndcg10, 1 / std::log2(4));
  EXPECT_DOUBLE_EQ(bias.rows[0].first_choices, 0.75);
  EXPECT_DOUBLE_EQ(bias.rows[1].first_choices, 0.25);
  // Truths 3/4, 0, 1/4; choices 3/4, 1/4, 0.
  EXPECT_DOUBLE_EQ(bias.choice_distance, 0.25);
  EXPECT_THROW(position_bias("letters", outcomes, 2, 7, {}, pool), ShapeError);
}

TEST(HistoryLength, GroupsAreOfAboutEqualSizeAndHoldEveryUser) {
  const std::vector<int32_t> lengths = {3, 3, 3, 4, 9, 12};
  const std::vector<int32_t> bounds = length_bounds(lengths, 3);
  EXPECT_EQ(bounds, (std::vector<int32_t>{3, 4, 12}));
  ThreadPool pool(1);
  const std::vector<int32_t> ranks = {1, 0, 0, 1, 1, 0};
  const Metric recall{MetricKind::kRecall, 1};
  const auto groups = by_history_length(ranks, lengths, bounds, recall, {.resamples = 50}, pool);
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(length_name(groups[0]), "3");
  EXPECT_EQ(groups[0].num_users, 3);
  EXPECT_DOUBLE_EQ(groups[0].value, 1.0 / 3);
  EXPECT_EQ(length_name(groups[2]), "5-12");
  EXPECT_DOUBLE_EQ(groups[2].value, 0.5);
  const auto wanted = bootstrap_intervals(user_values(std::vector<int32_t>{1, 0, 0}, {&recall, 1}),
                                          {.resamples = 50}, pool);
  EXPECT_EQ(groups[0].interval.low, wanted[0].low);
  EXPECT_EQ(groups[0].interval.high, wanted[0].high);
  EXPECT_LT(wanted[0].low, wanted[0].high);
  EXPECT_EQ(groups[1].num_users, 1);
  EXPECT_DOUBLE_EQ(groups[1].value, 1);
  // A length above the last bound counts there, and a group without users is left out.
  const std::vector<int32_t> longer = {3, 3, 3, 3, 9, 40};
  const auto two = by_history_length(ranks, longer, bounds, recall, {.resamples = 50}, pool);
  ASSERT_EQ(two.size(), 2U);
  EXPECT_EQ(two[0].num_users, 4);
  EXPECT_EQ(two[1].num_users, 2);
  EXPECT_EQ(two[1].shortest, 5);
  EXPECT_TRUE(length_bounds({}, 3).empty());
  EXPECT_THROW(by_history_length(ranks, bounds, bounds, recall, {}, pool), ShapeError);
}

}  // namespace
}  // namespace tandem
