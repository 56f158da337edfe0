// SPDX-License-Identifier: Apache-2.0
#include "offline/fusion_weights.h"
#include "support/fusion_samples.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tandem {
namespace {

using test::matrix;
using test::samples_with;

TEST(FusionWeights, AScorerThatHelpsGetsWeightAndOneThatDoesNotGetsNone) {
  const auto samples = samples_with({0, 1, 2, 2});
  // The retriever is right about the first, the second scorer about all but the first, the third
  // says the contrary of the truth.
  const CandidateScores scorers[] = {
      candidate_scores("retriever", samples, matrix(4, 3, {5, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0})),
      candidate_scores("good", samples, matrix(4, 3, {0, 1, 0, 0, 2, 0, 0, 0, 2, 0, 0, 2})),
      candidate_scores("bad", samples, matrix(4, 3, {0, 9, 9, 9, 0, 9, 9, 9, 0, 9, 9, 0}))};
  const FusionWeights found = find_fusion_weights(scorers, samples, {MetricKind::kRecall, 1});
  EXPECT_EQ(found.weights[0], 1);
  EXPECT_GE(found.weights[1], 0.5);  // at 0.5 the second and the third user tie, which counts
  EXPECT_EQ(found.weights[2], 0);
  EXPECT_EQ(found.value, 1);
  EXPECT_EQ(find_fusion_weights({scorers, 1}, samples, {MetricKind::kRecall, 1}).value, 0.25);
}

// The second scorer's odds of 1.8 to the retriever's 1 turn the order at 1 / 1.8 = .556: the next
// step is the square root of a half.
TEST(FusionWeights, AreThoseByHand) {
  const auto samples = samples_with({1});
  const CandidateScores scorers[] = {
      candidate_scores("retriever", samples, matrix(1, 3, {1, 0, -9})),
      candidate_scores("good", samples, matrix(1, 3, {0, 1.8F, -9}))};
  const FusionWeights found = find_fusion_weights(scorers, samples);
  EXPECT_EQ(found.weights[0], 1);
  EXPECT_DOUBLE_EQ(found.weights[1], std::sqrt(0.5));
  EXPECT_DOUBLE_EQ(found.value, 1);
  EXPECT_NEAR(find_fusion_weights({scorers, 1}, samples).value, 1 / std::log2(3.0), 1e-12);
}

}  // namespace
}  // namespace tandem
