// SPDX-License-Identifier: Apache-2.0
#include "rank/fusion.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "support/fusion_samples.h"

namespace tandem {
namespace {

using test::matrix;
using test::samples_with;

TEST(CandidateScores, AreLogProbabilitiesOverTheSamplesCandidates) {
  auto samples = samples_with({0, 1});
  samples[1].candidates.pop_back();
  const float nine = std::log(9.0f);
  const CandidateScores scores =
      candidate_scores("a", samples, matrix(2, 4, {0, 0, nine, 50, 3, 3 + nine, 50, 50}));
  EXPECT_EQ(scores.log_probabilities.columns, 3);
  EXPECT_NEAR(scores.log_probabilities.row(0)[2], std::log(9.0 / 11), 1e-6);
  EXPECT_NEAR(scores.log_probabilities.row(1)[0], std::log(1.0 / 10), 1e-6);
  EXPECT_TRUE(std::isinf(scores.log_probabilities.row(1)[2]));
  EXPECT_THROW(candidate_scores("a", samples, matrix(1, 3, {0, 0, 0})), ShapeError);
}

// A sum weighs log-probabilities.
TEST(Fusion, ASumIsThatByHand) {
  const auto samples = samples_with({1});
  const CandidateScores scorers[] = {
      candidate_scores("retriever", samples, matrix(1, 3, {1, 0, -9})),
      candidate_scores("good", samples, matrix(1, 3, {0, 1.8F, -9}))};
  const double weights[] = {1, 0.5};
  const engine::Matrix sum = fuse(scorers, weights);
  EXPECT_NEAR(sum.row(0)[0] - sum.row(0)[1], 1 - 0.9, 1e-5);
}

TEST(Fusion, ScoresThatDoNotFitAreRefused) {
  const auto samples = samples_with({0});
  const CandidateScores one[] = {candidate_scores("a", samples, matrix(1, 3, {0, 1, 2}))};
  const double weights[] = {1, 1};
  EXPECT_THROW(fuse(one, weights), ShapeError);
}

}  // namespace
}  // namespace tandem
