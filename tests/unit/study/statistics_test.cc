// SPDX-License-Identifier: Apache-2.0
#include "study/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>

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
  ranks.in_subset = {1, 1};
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

// A retriever of its own ("c") is compared over all users and never on what another one found.
TEST(StudyStatistics, AnArmOutsideTheSubsetHasNoNumbersThere) {
  ThreadPool pool(1);
  StudyRanks ranks = two_arms();
  const StudyStatistics two = study_statistics(ranks, {{1, 0}}, {.resamples = 50}, pool);
  ranks.arms.push_back("c");
  ranks.ranks.push_back({{9, 9, 1, 1}, {9, 9, 1, 1}});
  EXPECT_THROW(study_statistics(ranks, {}, {.resamples = 50}, pool), ShapeError);
  ranks.in_subset = {1, 1, 0};
  const StudyStatistics three =
      study_statistics(ranks, {{1, 0}, {2, 0}, {1, 2}}, {.resamples = 50}, pool);
  EXPECT_TRUE(three.subset[2].empty());
  EXPECT_FALSE(three.all[2].empty());
  EXPECT_TRUE(three.comparisons[1].subset.empty());
  EXPECT_TRUE(three.comparisons[2].subset.empty());
  EXPECT_DOUBLE_EQ(three.comparisons[1].all[kRecall5].difference, 0.5 - 0.25);
  for (size_t m = 0; m < 6; ++m) {  // and changes nothing for the others
    EXPECT_EQ(three.comparisons[0].subset[m].difference, two.comparisons[0].subset[m].difference);
    EXPECT_EQ(three.comparisons[0].subset[m].interval.low,
              two.comparisons[0].subset[m].interval.low);
  }
}

StudyRanks random_ranks(int64_t users, int shift) {
  StudyRanks ranks;
  ranks.num_users = users;
  ranks.num_seeds = 2;
  ranks.arms = {"a", "b"};
  ranks.in_subset = {1, 1};
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

TEST(StudyStatistics, SeesAClearDifference) {
  ThreadPool pool(2);
  const auto result = study_statistics(random_ranks(400, 2), {{1, 0}}, {.resamples = 400}, pool);
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

// Two users: a resample holds (2, 0), (1, 1) or (0, 2) of them with probabilities 1/4, 1/2, 1/4, so
// the middle 40 % of the resamples are all (1, 1) and the middle 60 % reach both ends.
StudyRanks two_users() {
  StudyRanks ranks;
  ranks.num_users = 2;
  ranks.num_seeds = 1;
  ranks.arms = {"a", "b"};
  ranks.ranks = {{{1, 0}}, {{1, 1}}};
  return ranks;
}

void expect_interval(const Interval& interval, double low, double high) {
  EXPECT_NEAR(interval.low, low, 1e-9);
  EXPECT_NEAR(interval.high, high, 1e-9);
}

TEST(StudyStatistics, IntervalsOfTwoUsersByHand) {
  ThreadPool pool(2);
  const auto at = [&](double level, const StudyRanks& ranks) {
    return study_statistics(ranks, {{1, 0}}, {.resamples = 4000, .level = level}, pool);
  };
  const StudyStatistics narrow = at(0.4, two_users()), wide = at(0.6, two_users());
  for (size_t m = 0; m < 6; ++m) {  // a user counts 1 or 0 by every metric
    expect_interval(narrow.all[0][m].interval, 0.5, 0.5);
    expect_interval(wide.all[0][m].interval, 0, 1);
    expect_interval(wide.all[1][m].interval, 1, 1);
    expect_interval(narrow.comparisons[0].all[m].interval, 0.5, 0.5);
    expect_interval(wide.comparisons[0].all[m].interval, 0, 1);
    EXPECT_DOUBLE_EQ(narrow.comparisons[0].all[m].difference, 0.5);
  }
  // (2, 0) improves by 0 %, (1, 1) by 100 %; (0, 2) has no baseline and is left out: a third, two
  // thirds.
  expect_interval(at(0.2, two_users()).comparisons[0].improvement_interval, 100, 100);
  expect_interval(wide.comparisons[0].improvement_interval, 0, 100);
  EXPECT_NEAR(*wide.comparisons[0].improvement, 100, 1e-9);
}

// A user brings all seeds along: what one seed loses the other gains, in every resample.
TEST(StudyStatistics, AResampleHasTheSameUsersInEverySeed) {
  ThreadPool pool(1);
  StudyRanks ranks = two_users();
  ranks.num_seeds = 2;
  ranks.ranks = {{{1, 0}, {0, 1}}, {{1, 0}, {1, 0}}};
  const auto result = study_statistics(ranks, {{1, 0}}, {.resamples = 500, .level = 0.9}, pool);
  expect_interval(result.all[0][kRecall5].interval, 0.5, 0.5);
  expect_interval(result.all[1][kRecall5].interval, 0, 1);
  EXPECT_NEAR(result.all[0][kRecall5].sd, 0, 1e-12);
}

// One of the two users is in the subset: its value is all there is, and the resamples without it
// say nothing.
TEST(StudyStatistics, TheSubsetsIntervalIsOfItsMembersAlone) {
  ThreadPool pool(1);
  StudyRanks ranks = two_users();
  ranks.ranks[0] = {{2, 1}};
  ranks.subset = {{1, 0}};
  ranks.in_subset = {1, 1};
  const auto result = study_statistics(ranks, {{1, 0}}, {.resamples = 500, .level = 0.99}, pool);
  expect_interval(result.subset[0][kMrr5].interval, 0.5, 0.5);
  expect_interval(result.comparisons[0].subset[kMrr5].interval, 0.5, 0.5);
  EXPECT_DOUBLE_EQ(result.comparisons[0].subset[kMrr5].difference, 0.5);
  ranks.subset = {{0, 0}};
  EXPECT_THROW(study_statistics(ranks, {}, {.resamples = 10}, pool), DataError);
}

// The same percentile bootstrap as an evaluation's, drawn in another order: with many resamples the
// ends agree to a fifth of the standard deviation, and a user is 1/500.
TEST(StudyStatistics, IntervalsAgreeWithTheBootstrapOfAnEvaluation) {
  ThreadPool pool(2);
  StudyRanks ranks = random_ranks(500, 3);
  ranks.num_seeds = 1;
  for (auto& arm : ranks.ranks) arm.resize(1);
  ranks.subset.resize(1);
  const ResamplingOptions options{.resamples = 8000};
  const StudyStatistics result = study_statistics(ranks, {{1, 0}}, options, pool);
  const UserValues a = user_values(ranks.ranks[0][0], study_metrics()),
                   b = user_values(ranks.ranks[1][0], study_metrics());
  const auto own = bootstrap_intervals(a, options, pool),
             paired = bootstrap_intervals(difference(b, a), options, pool);
  for (size_t m = 0; m < 6; ++m) {
    for (const auto& [found, wanted] :
         {std::pair{result.all[0][m].interval, own[m]},
          std::pair{result.comparisons[0].all[m].interval, paired[m]}}) {
      const double slack = 0.2 * (wanted.high - wanted.low) / 4;  // 4 standard deviations wide
      EXPECT_GT(slack, 0);
      EXPECT_NEAR(found.low, wanted.low, slack) << m;
      EXPECT_NEAR(found.high, wanted.high, slack) << m;
    }
  }
}

// The sign flips of each user's difference, averaged over seeds; on the subset each seed's counts
// by users / members.
TEST(StudyStatistics, PValuesAreThoseOfTheUsersDifferences) {
  ThreadPool pool(1);
  StudyRanks ranks;
  ranks.num_users = 6;
  ranks.num_seeds = 2;
  ranks.arms = {"a", "b"};
  ranks.ranks = {{{1, 8, 0, 2, 5, 9}, {2, 8, 0, 3, 4, 1}},
                 {{2, 4, 1, 1, 3, 0}, {1, 2, 3, 5, 4, 2}}};
  ranks.subset = {{1, 1, 0, 1, 1, 0}, {1, 0, 1, 0, 0, 0}};
  ranks.in_subset = {1, 1};
  const ResamplingOptions options{.resamples = 999, .seed = 3};
  const auto result = study_statistics(ranks, {{1, 0}}, options, pool);
  UserValues all{.num_users = 6, .num_metrics = 6, .values = std::vector<double>(36, 0.0)};
  UserValues subset = all;
  const double weights[] = {6.0 / 4 / 2, 6.0 / 2 / 2};  // four and two members, two seeds
  for (size_t u = 0; u < 6; ++u) {
    for (size_t m = 0; m < 6; ++m) {
      for (size_t s = 0; s < 2; ++s) {
        const double d = study_metrics()[m].value(ranks.ranks[1][s][u]) -
                         study_metrics()[m].value(ranks.ranks[0][s][u]);
        all.values[6 * u + m] += d / 2;
        subset.values[6 * u + m] += ranks.subset[s][u] * weights[s] * d;
      }
    }
  }
  const auto p_all = permutation_p_values(all, options, pool),
             p_subset = permutation_p_values(subset, options, pool);
  for (size_t m = 0; m < 6; ++m) {
    EXPECT_EQ(result.comparisons[0].all[m].p_value, p_all[m]) << m;
    EXPECT_EQ(result.comparisons[0].subset[m].p_value, p_subset[m]) << m;
    EXPECT_NEAR(result.comparisons[0].all[m].difference, means(all)[m], 1e-12);
    EXPECT_NEAR(result.comparisons[0].subset[m].difference, means(subset)[m], 1e-12);
  }
  EXPECT_NE(p_all, p_subset);
}

// From place 2 to place 1: MRR +100 %, NDCG +58.4963 % (log2 3 - 1), Recall 0 %.
TEST(StudyStatistics, AverageRelativeImprovementByHand) {
  ThreadPool pool(1);
  StudyRanks ranks = two_users();
  ranks.ranks = {{{2, 2}}, {{1, 1}}};
  const auto one = study_statistics(ranks, {{1, 0}}, {.resamples = 10}, pool).comparisons[0];
  EXPECT_NEAR(*one.improvement, (100 + 58.496250) / 3, 1e-5);
  expect_interval(one.improvement_interval, *one.improvement, *one.improvement);
  // Of the means over seeds, not the mean of the seeds' improvements.
  ranks.num_seeds = 2;
  ranks.ranks = {{{1, 1}, {2, 2}}, {{2, 2}, {1, 1}}};
  const auto two = study_statistics(ranks, {{1, 0}}, {.resamples = 10}, pool).comparisons[0];
  EXPECT_NEAR(*two.improvement, 0, 1e-9);
  EXPECT_NEAR(two.improvement_per_seed[0], -(50 + 36.907025) / 3, 1e-5);
  EXPECT_NEAR(two.improvement_per_seed[1], (100 + 58.496250) / 3, 1e-5);
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
