// SPDX-License-Identifier: Apache-2.0
#include "eval/bootstrap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/rng.h"

namespace tandem {
namespace {

UserValues column(std::vector<double> values) {
  return {.num_users = static_cast<int64_t>(values.size()),
          .num_metrics = 1,
          .values = std::move(values)};
}

UserValues random_values(int64_t users, uint64_t seed, double hit_rate) {
  Rng rng(seed);
  std::vector<int32_t> ranks;
  for (int64_t u = 0; u < users; ++u) {
    ranks.push_back(rng.uniform() < hit_rate ? static_cast<int32_t>(1 + rng.below(60)) : 5000);
  }
  return user_values(ranks, ranking_metrics());
}

TEST(Bootstrap, ConstantValuesHaveAnIntervalOfNoWidth) {
  ThreadPool pool(1);
  const auto intervals = bootstrap_intervals(column(std::vector<double>(20, 0.25)), {}, pool);
  EXPECT_DOUBLE_EQ(intervals[0].low, 0.25);
  EXPECT_DOUBLE_EQ(intervals[0].high, 0.25);
}

// The mean of n Bernoulli(p) has standard deviation sqrt(p (1 - p) / n); the interval spans 1.96 of
// it either side.
TEST(Bootstrap, AgreesWithTheNormalApproximation) {
  ThreadPool pool(2);
  const int users = 10'000, hits = 3'000;
  std::vector<double> values(users, 0.0);
  std::fill(values.begin(), values.begin() + hits, 1.0);
  const auto interval = bootstrap_intervals(column(values), {.resamples = 4000}, pool)[0];
  const double deviation = std::sqrt(0.3 * 0.7 / users);
  EXPECT_NEAR(interval.low, 0.3 - 1.96 * deviation, 0.1 * deviation);
  EXPECT_NEAR(interval.high, 0.3 + 1.96 * deviation, 0.1 * deviation);
}

// Two users, values 0 and 1: a resample's mean is 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4.
TEST(Bootstrap, TwoUsersByHand) {
  ThreadPool pool(1);
  const auto half =
      bootstrap_intervals(column({0.0, 1.0}), {.resamples = 4000, .level = 0.4}, pool)[0];
  EXPECT_DOUBLE_EQ(half.low, 0.5);
  EXPECT_DOUBLE_EQ(half.high, 0.5);
  const auto wide =
      bootstrap_intervals(column({0.0, 1.0}), {.resamples = 4000, .level = 0.6}, pool)[0];
  EXPECT_DOUBLE_EQ(wide.low, 0.0);
  EXPECT_DOUBLE_EQ(wide.high, 1.0);
}

TEST(Bootstrap, DoesNotDependOnThreadsOrOnTheOrderOfTheUsers) {
  const UserValues values = random_values(500, 3, 0.3);
  UserValues reversed = values;
  for (int64_t u = 0; u < values.num_users; ++u) {
    const auto row = values.row(values.num_users - 1 - u);
    std::copy(row.begin(), row.end(), reversed.values.begin() + u * values.num_metrics);
  }
  ThreadPool one(1), three(3);
  const ResamplingOptions options{.resamples = 300, .seed = 9};
  const auto expected = bootstrap_intervals(values, options, one);
  const auto threaded = bootstrap_intervals(values, options, three);
  const auto reordered = bootstrap_intervals(reversed, options, three);
  const auto other_seed = bootstrap_intervals(values, {.resamples = 300, .seed = 10}, three);
  bool seed_matters = false;
  for (size_t m = 0; m < expected.size(); ++m) {
    EXPECT_EQ(expected[m].low, threaded[m].low);
    EXPECT_EQ(expected[m].high, threaded[m].high);
    EXPECT_EQ(expected[m].low, reordered[m].low);
    EXPECT_EQ(expected[m].high, reordered[m].high);
    seed_matters |= expected[m].low != other_seed[m].low;
  }
  EXPECT_TRUE(seed_matters);
}

// An interval at 95 % should hold the true mean in about 95 of 100 experiments.
TEST(Bootstrap, CoversTheTrueMean) {
  ThreadPool pool(2);
  int covered = 0;
  const int experiments = 200;
  for (int i = 0; i < experiments; ++i) {
    Rng rng(1000 + static_cast<uint64_t>(i));
    std::vector<double> values;
    for (int u = 0; u < 200; ++u) values.push_back(rng.uniform() < 0.2 ? 1.0 : 0.0);
    covered += bootstrap_intervals(column(values), {.resamples = 400}, pool)[0].contains(0.2);
  }
  EXPECT_GE(covered, 178);  // 190 expected, standard deviation 3.1
  EXPECT_LE(covered, 199);
}

TEST(Bootstrap, NoUsersAndBadOptions) {
  ThreadPool pool(1);
  EXPECT_EQ(bootstrap_intervals(column({}), {}, pool).size(), 1U);
  EXPECT_THROW(bootstrap_intervals(column({1.0}), {.resamples = 0}, pool), ConfigError);
  EXPECT_THROW(bootstrap_intervals(column({1.0}), {.level = 1.0}, pool), ConfigError);
}

TEST(Permutation, NoDifferenceHasPValueOne) {
  ThreadPool pool(1);
  EXPECT_DOUBLE_EQ(permutation_p_values(column(std::vector<double>(30, 0.0)), {}, pool)[0], 1.0);
}

// Three users of difference 1: all signs agree in 2 of the 8 equally likely cases, so p is 1/4.
TEST(Permutation, ThreeUsersByHand) {
  ThreadPool pool(2);
  const double p = permutation_p_values(column({1.0, 1.0, 1.0}), {.resamples = 20'000}, pool)[0];
  EXPECT_NEAR(p, 0.25, 0.012);
  // The sum is 4; the 8 signed sums of 1, 2, 3 are 6, 4, 2, 0, 0, -2, -4, -6, four of them as
  // extreme.
  const double q = permutation_p_values(column({-1.0, 2.0, 3.0}), {.resamples = 20'000}, pool)[0];
  EXPECT_NEAR(q, 0.5, 0.014);
}

TEST(Permutation, ManyOneSidedDifferencesAreSignificant) {
  ThreadPool pool(1);
  std::vector<double> values(200, 0.0);
  std::fill(values.begin(), values.begin() + 70, 0.3);
  EXPECT_DOUBLE_EQ(permutation_p_values(column(values), {.resamples = 999}, pool)[0], 0.001);
}

// Under the hypothesis p is uniform: about one in ten experiments falls below 0.1.
TEST(Permutation, HoldsItsLevel) {
  ThreadPool pool(2);
  int rejected = 0;
  for (uint64_t i = 0; i < 300; ++i) {
    Rng rng(i);
    std::vector<double> values;
    for (int u = 0; u < 100; ++u) values.push_back(rng.normal());
    rejected += permutation_p_values(column(values), {.resamples = 199}, pool)[0] <= 0.1;
  }
  EXPECT_GE(rejected, 14);  // 30 expected, standard deviation 5.2
  EXPECT_LE(rejected, 46);
}

TEST(Permutation, DoesNotDependOnThreads) {
  const UserValues d = difference(random_values(400, 1, 0.4), random_values(400, 2, 0.3));
  ThreadPool one(1), three(3);
  EXPECT_EQ(permutation_p_values(d, {.resamples = 500}, one),
            permutation_p_values(d, {.resamples = 500}, three));
}

}  // namespace
}  // namespace tandem
