// SPDX-License-Identifier: Apache-2.0
// A second stage as `eval` runs it, with every part that goes beyond accuracy.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.h"
#include "offline/beyond.h"
#include "offline/fusion_weights.h"
#include "support/ranker_world.h"

namespace tandem {
namespace {

class SecondStageTest : public ::testing::Test {
 protected:
  SecondStageTest() : dataset_(test::tiny_dataset(folder_)) {
    PromptConfig prompt;
    prompt.num_candidates = 4;
    const fs::path base = test::tiny_base(folder_, pool_);
    models_.letters = std::make_unique<TitledRanker>(load_ranker(base, prompt), dataset_, pool_);
    models_.num_candidates = 4;
    CandidateSet& set = stage_.candidates;
    set.num_users = dataset_.num_users();
    set.num_candidates = stage_.num_candidates = 4;
    set.num_items = dataset_.num_items();
    set.split = "test";
    set.seen_items = "none";
    set.retriever = "lrurec";
    set.fingerprint = dataset_.fingerprint();
    for (int64_t user = 0; user < set.num_users; ++user) {
      const int32_t target = *target_item(dataset_, user, Split::kTest);
      for (int32_t place = 0; place < 4; ++place) {
        set.items.push_back((target + place + 11) % 15 + 1);  // the target is the last
        set.scores.push_back(static_cast<float>(4 - place));
      }
      set.target.push_back(target);
      set.rank.push_back(4);
    }
    stage_.samples = subset_samples(dataset_, set, 4);
    stage_.scorers.push_back(retriever_scores(stage_.samples, set));
  }

  test::TemporaryFolder folder_;
  ThreadPool pool_{2};
  Dataset dataset_;
  SecondStageModels models_;
  SecondStage stage_;
};

TEST_F(SecondStageTest, BeyondUtilityCoversEverySystemAndPart) {
  for (CandidateScores& scores : models_.scores(stage_.samples, pool_))
    stage_.scorers.push_back(std::move(scores));
  const double weights[] = {1, 0.5};
  Protocol protocol;
  protocol.resampling.resamples = 50;
  const auto systems =
      evaluate_stage(stage_, weights, StageUsers::kSubset, protocol, dataset_, pool_);
  BeyondOptions options{
      .list_size = 2, .history_lengths = {1, 1000}, .position_bias = true, .examples = 3};
  const BeyondUtility beyond =
      stage_beyond(stage_, weights, models_, dataset_, systems, options, pool_);
  ASSERT_EQ(beyond.lists.size(), 3U);
  EXPECT_EQ(beyond.lists[2].system, "fused");
  EXPECT_EQ(beyond.by_length.size(), 3U);
  ASSERT_EQ(beyond.shortened.size(), 2U);
  // Whole histories are what the evaluation saw.
  const auto ndcg = std::ranges::find(systems[1].metrics, "NDCG@10", &MetricResult::name);
  EXPECT_DOUBLE_EQ(beyond.shortened[0].groups[1].value, ndcg->value);
  EXPECT_NE(beyond.shortened[0].groups[0].value, ndcg->value);
  ASSERT_EQ(beyond.positions.size(), 1U);
  int64_t users = 0;
  for (const PositionRow& row : beyond.positions[0].rows) users += row.num_users;
  EXPECT_EQ(users, 12);
  ASSERT_EQ(beyond.examples.size(), 3U);
  const RankingExample& example = beyond.examples[1];
  EXPECT_EQ(example.user, "u04");  // every fourth user
  EXPECT_EQ(example.answer, 3);
  double sum = 0;
  for (const auto& candidate : example.candidates) {
    EXPECT_NE(example.prompt.find("(" + candidate.letter + ") " + candidate.title),
              std::string::npos);
    sum += candidate.probability;
  }
  EXPECT_NEAR(sum, 1, 1e-5);
  EXPECT_EQ(beyond.lists[0].metrics[0].name, "coverage@2");
  options.history_lengths = {0};
  EXPECT_THROW(stage_beyond(stage_, weights, models_, dataset_, systems, options, pool_),
               UsageError);
}

}  // namespace
}  // namespace tandem
