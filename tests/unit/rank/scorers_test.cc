// SPDX-License-Identifier: Apache-2.0
#include "rank/scorers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "rank/candidate_order.h"
#include "rank/ranker_files.h"
#include "support/ranker_world.h"

namespace tandem {
namespace {

PromptConfig four_candidates() {
  PromptConfig config;
  config.num_candidates = 4;
  return config;
}

// A sample a user, the true item the last of four.
class LetterScores : public testing::Test {
 protected:
  void SetUp() override {
    for (int64_t user = 0; user < dataset_.num_users(); ++user) {
      const auto items = dataset_.items(user);
      RankingSample sample{.user = user, .history = items.first(items.size() - 1), .answer = 3};
      for (int32_t place = 0; place < 4; ++place)
        sample.candidates.push_back((items.back() + place + 11) % 15 + 1);
      samples_.push_back(std::move(sample));
    }
  }

  test::TemporaryFolder folder_;
  ThreadPool pool_{2};
  Dataset dataset_ = test::tiny_dataset(folder_);
  TitledRanker ranker_{load_ranker(test::tiny_base(folder_, pool_), four_candidates()), dataset_,
                       pool_};
  std::vector<RankingSample> samples_;
};

// From single passes.
TEST_F(LetterScores, OverPermutationsAreEachCandidatesMeanProbability) {
  const RankingSample& sample = samples_[5];
  std::vector<double> want(4, 0);
  for (int64_t j = 0; j < 4; ++j) {
    const RankingSample order = turned(sample, j);
    const engine::Matrix logits = letter_logits(ranker_, {&order, 1}, pool_);
    const auto p = letter_probabilities({logits.row(0), 4}, 4);
    for (size_t place = 0; place < 4; ++place) {
      const auto at = std::ranges::find(sample.candidates, order.candidates[place]);
      want[at - sample.candidates.begin()] += p[place] / 4;
    }
  }
  const CandidateScores four = letter_scores(ranker_, samples_, 4, pool_);
  const CandidateScores one = letter_scores(ranker_, samples_, 1, pool_);
  double moved = 0;
  for (size_t c = 0; c < 4; ++c) {
    EXPECT_NEAR(std::exp(four.log_probabilities.row(5)[c]), want[c], 1e-5);
    moved += std::abs(std::exp(one.log_probabilities.row(5)[c]) - want[c]);
  }
  EXPECT_GT(moved, 1e-4);  // else the test could not fail
}

}  // namespace
}  // namespace tandem
