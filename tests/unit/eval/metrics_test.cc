// SPDX-License-Identifier: Apache-2.0
#include "eval/metrics.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "core/rng.h"

namespace tandem {
namespace {

constexpr TieRule kAllRules[] = {TieRule::kStrict, TieRule::kWorst, TieRule::kLowerIndexFirst};

TEST(RankOf, FollowsEachTieRule) {
  // Greater than 0.5: one. Equal to it: classes 1, 3, 4.
  const std::vector<float> scores = {0.1F, 0.5F, 0.9F, 0.5F, 0.5F};
  EXPECT_EQ(rank_of(scores, 3, TieRule::kStrict).rank, 2);
  EXPECT_EQ(rank_of(scores, 3, TieRule::kWorst).rank, 4);
  EXPECT_EQ(rank_of(scores, 1, TieRule::kLowerIndexFirst).rank, 2);
  EXPECT_EQ(rank_of(scores, 3, TieRule::kLowerIndexFirst).rank, 3);
  EXPECT_EQ(rank_of(scores, 4, TieRule::kLowerIndexFirst).rank, 4);
  EXPECT_TRUE(rank_of(scores, 3).tied);
  EXPECT_FALSE(rank_of(scores, 2).tied);
  EXPECT_EQ(rank_of(scores, 2).rank, 1);
  EXPECT_EQ(rank_of(scores, 0).rank, 5);
}

TEST(RankOf, AllScoresEqual) {
  const std::vector<float> scores(7, -1e9F);
  EXPECT_EQ(rank_of(scores, 4, TieRule::kStrict).rank, 1);
  EXPECT_EQ(rank_of(scores, 4, TieRule::kWorst).rank, 7);
  EXPECT_EQ(rank_of(scores, 4, TieRule::kLowerIndexFirst).rank, 5);
}

TEST(RankOf, NaNNeverHelps) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(rank_of(std::vector<float>{nan, 1.0F, nan}, 1).rank, 3);
  EXPECT_THROW(rank_of(std::vector<float>{nan, 1.0F}, 0), DataError);
  EXPECT_THROW(rank_of(std::vector<float>{1.0F}, 1), ShapeError);
  EXPECT_THROW(rank_of(std::vector<float>{1.0F}, -1), ShapeError);
}

// Small integers as scores make many ties; the same users in another order of the classes must rank
// the same.
TEST(RankOf, DoesNotDependOnTheOrderOfTheClasses) {
  EXPECT_TRUE(rc::check("strict and worst ranks survive a permutation", [] {
    const auto levels =
        *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 4)));
    const auto size = static_cast<int32_t>(levels.size());
    const int32_t target = *rc::gen::inRange(0, size);
    std::vector<int32_t> order(levels.size());
    std::iota(order.begin(), order.end(), 0);
    Rng rng(*rc::gen::arbitrary<uint64_t>());
    rng.shuffle<int32_t>(order);

    std::vector<float> scores(levels.begin(), levels.end()), shuffled(levels.size());
    int32_t moved = 0;
    for (int32_t i = 0; i < size; ++i) {
      shuffled[i] = scores[order[i]];
      if (order[i] == target) moved = i;
    }
    for (const TieRule rule : {TieRule::kStrict, TieRule::kWorst}) {
      RC_ASSERT(rank_of(scores, target, rule).rank == rank_of(shuffled, moved, rule).rank);
    }
    RC_ASSERT(rank_of(scores, target).tied == rank_of(shuffled, moved).tied);
  }));
}

TEST(RankOf, AgreesWithAStableSort) {
  EXPECT_TRUE(
      rc::check("lower_index_first is the place in a stable sort; the others enclose it", [] {
        const auto levels =
            *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 6)));
        const std::vector<float> scores(levels.begin(), levels.end());
        const int32_t target = *rc::gen::inRange(0, static_cast<int32_t>(scores.size()));
        std::vector<int32_t> order(scores.size());
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(),
                         [&](int32_t a, int32_t b) { return scores[a] > scores[b]; });
        const auto place = std::find(order.begin(), order.end(), target) - order.begin() + 1;
        RC_ASSERT(rank_of(scores, target, TieRule::kLowerIndexFirst).rank == place);
        RC_ASSERT(rank_of(scores, target, TieRule::kStrict).rank <= place);
        RC_ASSERT(rank_of(scores, target, TieRule::kWorst).rank >= place);
      }));
}

TEST(TieRuleName, RoundTrips) {
  for (const TieRule rule : kAllRules) EXPECT_EQ(parse_tie_rule(tie_rule_name(rule)), rule);
  EXPECT_THROW(parse_tie_rule("Strict"), ConfigError);
}

TEST(Metric, HandWorkedValues) {
  const Metric recall{MetricKind::kRecall, 5}, mrr{MetricKind::kMrr, 5}, ndcg{MetricKind::kNdcg, 5};
  EXPECT_EQ(recall.name(), "Recall@5");
  EXPECT_EQ(mrr.name(), "MRR@5");
  EXPECT_EQ(ndcg.name(), "NDCG@5");
  EXPECT_DOUBLE_EQ(recall.value(5), 1.0);
  EXPECT_DOUBLE_EQ(recall.value(6), 0.0);
  EXPECT_DOUBLE_EQ(mrr.value(4), 0.25);
  EXPECT_DOUBLE_EQ(mrr.value(6), 0.0);
  EXPECT_DOUBLE_EQ(ndcg.value(1), 1.0);
  EXPECT_DOUBLE_EQ(ndcg.value(3), 0.5);
  EXPECT_DOUBLE_EQ(ndcg.value(6), 0.0);
}

TEST(Metric, AnUnrankedTargetIsNoHit) {
  for (const Metric& metric : ranking_metrics()) EXPECT_EQ(metric.value(0), 0.0) << metric.name();
}

TEST(Means, EveryUserWeighsTheSame) {
  const std::vector<int32_t> cutoffs = {3, 1};
  const std::vector<Metric> metrics = ranking_metrics(cutoffs);
  ASSERT_EQ(metrics.size(), 6U);
  EXPECT_EQ(metrics[0].name(), "Recall@1");
  EXPECT_EQ(metrics[5].name(), "NDCG@3");
  const std::vector<int32_t> ranks = {1, 3, 4, 2};
  const std::vector<double> mean = means(user_values(ranks, metrics));
  EXPECT_DOUBLE_EQ(mean[0], 0.25);                                        // Recall@1
  EXPECT_DOUBLE_EQ(mean[1], 0.75);                                        // Recall@3
  EXPECT_DOUBLE_EQ(mean[3], (1.0 + 1.0 / 3 + 0.0 + 0.5) / 4);             // MRR@3
  EXPECT_DOUBLE_EQ(mean[5], (1.0 + 0.5 + 0.0 + 1.0 / std::log2(3)) / 4);  // NDCG@3
  EXPECT_EQ(means(user_values({}, metrics)), std::vector<double>(6, 0.0));
}

TEST(RankingMetrics, RefusesUnusableCutoffs) {
  EXPECT_THROW(ranking_metrics(std::vector<int32_t>{}), ConfigError);
  EXPECT_THROW(ranking_metrics(std::vector<int32_t>{0, 5}), ConfigError);
  EXPECT_THROW(ranking_metrics(std::vector<int32_t>{5, 10, 5}), ConfigError);
}

TEST(RankList, CountsTies) {
  RankList list;
  list.add(0, 7, {.rank = 3, .tied = false});
  list.add(4, 2, {.rank = 1, .tied = true});
  EXPECT_EQ(list.size(), 2);
  list.add(5, 3, {.excluded = true});
  EXPECT_EQ(list.num_tied(), 1);
  EXPECT_EQ(list.num_excluded(), 1);
  EXPECT_EQ(list.ranks.back(), 0);
  EXPECT_EQ(list.users[1], 4);
}

TEST(AucValues, AreSharesOfTheOthersBelow) {
  const std::vector<int32_t> ranks = {1, 2, 5, 0};
  const std::vector<int64_t> counts = {5, 5, 5, 5};
  EXPECT_EQ(auc_values(ranks, counts).values, (std::vector<double>{1, 0.75, 0, 0}));
  EXPECT_THROW(auc_values(ranks, std::vector<int64_t>{5}), ShapeError);
  EXPECT_THROW(auc_values(std::vector<int32_t>{1}, std::vector<int64_t>{1}), ShapeError);
}

}  // namespace
}  // namespace tandem
