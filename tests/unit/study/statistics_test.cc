// SPDX-License-Identifier: Apache-2.0
#include "study/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "core/error.h"
#include "core/rng.h"

namespace tandem {
namespace {

constexpr size_t kMrr5 = 0, kRecall5 = 2, kNdcg10 = 4, kRecall10 = 5;

StudyRanks two_arms() {
  StudyRanks ranks;
  ranks.num_users = 4;
  ranks.num_seeds = 2;
  ranks.arms = {"a", "b"};
  ranks.ranks = {{{1, 8, 0, 40}, {2, 8, 0, 40}}, {{1, 4, 0, 40}, {1, 2, 0, 40}}};
  ranks.subset = {{1, 1, 0, 0}, {1, 0, 0, 0}};
  return ranks;
}

TEST(StudyStatistics, MeansAreThoseByHand) {
  ThreadPool pool(2);
  const StudyStatistics result = study_statistics(two_arms(), {{1, 0}}, {.resamples = 50}, pool);
  // Arm a: MRR@5 of seed 0 is (1 + 0) / 4, of seed 1 (1/2 + 0) / 4.
  EXPECT_DOUBLE_EQ(result.all[0][kMrr5].per_seed[0], 0.25);
  EXPECT_DOUBLE_EQ(result.all[0][kMrr5].per_seed[1], 0.125);
  EXPECT_DOUBLE_EQ(result.all[0][kMrr5].mean, 0.1875);
  EXPECT_NEAR(result.all[0][kMrr5].sd, 0.125 / std::sqrt(2), 1e-12);
  EXPECT_DOUBLE_EQ(result.all[0][kRecall10].mean, 0.5);
  EXPECT_DOUBLE_EQ(result.all[1][kRecall5].mean, 0.5);
  // The subset has two users with seed 0 and one with seed 1.
  EXPECT_DOUBLE_EQ(result.subset[0][kRecall5].per_seed[0], 0.5);
  EXPECT_DOUBLE_EQ(result.subset[0][kRecall5].per_seed[1], 1.0);
  EXPECT_DOUBLE_EQ(result.subset[0][kRecall5].mean, 0.75);
  const StudyComparison& pair = result.comparisons[0];
  EXPECT_DOUBLE_EQ(pair.all[kRecall5].difference, 0.25);
  EXPECT_DOUBLE_EQ(pair.subset[kRecall5].difference, 0.25);
  // (b - a) / a of the means over seeds, over the six metrics.
  double wanted = 0;
  for (size_t m = 0; m < 6; ++m)
    wanted += 100 * (result.all[1][m].mean / result.all[0][m].mean - 1) / 6;
  ASSERT_TRUE(pair.improvement.has_value());
  EXPECT_NEAR(*pair.improvement, wanted, 1e-9);
}

StudyRanks random_ranks(int64_t users, int shift) {
  StudyRanks ranks;
  ranks.num_users = users;
  ranks.num_seeds = 2;
  ranks.arms = {"a", "b"};
  ranks.ranks.resize(2);
  Rng rng(5);
  for (size_t seed = 0; seed < 2; ++seed) {
    for (auto& arm : ranks.ranks) arm.emplace_back();
    ranks.subset.emplace_back();
    for (int64_t u = 0; u < users; ++u) {
      const auto rank = static_cast<int32_t>(1 + rng.below(30));
      ranks.ranks[0][seed].push_back(rank);
      ranks.ranks[1][seed].push_back(std::max(1, rank - shift));
      ranks.subset[seed].push_back(rank <= 20);
    }
  }
  return ranks;
}

TEST(StudyStatistics, TheSameOnAnyNumberOfThreads) {
  ThreadPool one(1), three(3);
  const StudyRanks ranks = random_ranks(300, 1);
  const auto a = study_statistics(ranks, {{1, 0}}, {.resamples = 64}, one);
  const auto b = study_statistics(ranks, {{1, 0}}, {.resamples = 64}, three);
  EXPECT_EQ(a.all[1][kNdcg10].interval.low, b.all[1][kNdcg10].interval.low);
  EXPECT_EQ(a.comparisons[0].subset[kNdcg10].interval.high,
            b.comparisons[0].subset[kNdcg10].interval.high);
  EXPECT_EQ(a.comparisons[0].improvement_interval.low, b.comparisons[0].improvement_interval.low);
}

TEST(StudyStatistics, IntervalsHoldTheEstimatesAndSeeAClearDifference) {
  ThreadPool pool(2);
  const auto result = study_statistics(random_ranks(400, 2), {{1, 0}}, {.resamples = 400}, pool);
  for (const auto& arm : result.all) {
    for (const StudyEstimate& one : arm) EXPECT_TRUE(one.interval.contains(one.mean));
  }
  const StudyDifference& clear = result.comparisons[0].all[kNdcg10];
  EXPECT_GT(clear.interval.low, 0);
  EXPECT_LT(clear.p_value, 0.01);
  EXPECT_GT(result.comparisons[0].improvement_interval.low, 0);
}

TEST(StudyStatistics, EqualArmsDoNotDiffer) {
  ThreadPool pool(1);
  const auto result = study_statistics(random_ranks(50, 0), {{1, 0}}, {.resamples = 100}, pool);
  EXPECT_EQ(result.comparisons[0].all[kNdcg10].difference, 0);
  EXPECT_EQ(result.comparisons[0].all[kNdcg10].p_value, 1);
  EXPECT_EQ(result.comparisons[0].subset[kNdcg10].interval.high, 0);
  EXPECT_EQ(*result.comparisons[0].improvement, 0);
}

TEST(StudyStatistics, NoImprovementOverNothing) {
  ThreadPool pool(1);
  StudyRanks ranks = two_arms();
  ranks.ranks[0] = {{0, 0, 0, 0}, {0, 0, 0, 0}};
  const auto result = study_statistics(ranks, {{1, 0}}, {.resamples = 10}, pool);
  EXPECT_FALSE(result.comparisons[0].improvement.has_value());
  ranks.ranks[0].pop_back();
  EXPECT_THROW(study_statistics(ranks, {}, {.resamples = 10}, pool), ShapeError);
}

}  // namespace
}  // namespace tandem
