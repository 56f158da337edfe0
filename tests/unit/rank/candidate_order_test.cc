// SPDX-License-Identifier: Apache-2.0
#include "rank/candidate_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "offline/beyond.h"
#include "offline/fusion_weights.h"
#include "rank/ranker_files.h"
#include "support/ranker_world.h"

namespace tandem {
namespace {

RankingSample four() {
  return {.user = 3, .history = {}, .candidates = {11, 12, 13, 14}, .answer = 2};
}

TEST(CandidateOrder, ATurnMovesEveryCandidateAndTheAnswerAlike) {
  const RankingSample sample = turned(four(), 3);
  EXPECT_EQ(sample.candidates, (std::vector<int32_t>{14, 11, 12, 13}));
  EXPECT_EQ(sample.answer, 3);
  EXPECT_EQ(turned(four(), 0).candidates, four().candidates);
}

TEST(CandidateOrder, AsManyTurnsAsCandidatesShowEachAtEveryPlaceOnce) {
  std::vector<std::set<int32_t>> at_place(4);
  for (int64_t j = 0; j < 4; ++j) {
    const RankingSample sample = turned(four(), turn_of(j, 4, 4));
    for (size_t place = 0; place < 4; ++place) at_place[place].insert(sample.candidates[place]);
  }
  for (const auto& seen : at_place) EXPECT_EQ(seen.size(), 4U);
  EXPECT_EQ(turn_of(1, 2, 20), 10);
  EXPECT_THROW(turn_of(2, 2, 20), ShapeError);
}

TEST(CandidateOrder, ShufflingDependsOnSeedAndUserAlone) {
  RankingSample sample{.user = 3, .history = {}, .candidates = {}, .answer = 7};
  for (int32_t item = 1; item <= 20; ++item) sample.candidates.push_back(item);
  const RankingSample one = shuffled(sample, 5);
  EXPECT_EQ(one.candidates, shuffled(sample, 5).candidates);
  EXPECT_NE(one.candidates, shuffled(sample, 6).candidates);
  EXPECT_EQ(one.candidates[static_cast<size_t>(one.answer)], 8);
  sample.user = 4;
  EXPECT_NE(one.candidates, shuffled(sample, 5).candidates);
}

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

// Mean over the turns, candidate by candidate, from single passes.
TEST_F(SecondStageTest, PermutationsAverageEachCandidatesProbability) {
  ASSERT_EQ(stage_.samples.size(), 12U);
  const RankingSample& sample = stage_.samples[5];
  std::vector<double> want(4, 0);
  for (int64_t j = 0; j < 4; ++j) {
    const RankingSample order = turned(sample, j);
    const engine::Matrix logits = letter_logits(*models_.letters, {&order, 1}, pool_);
    const auto p = letter_probabilities({logits.row(0), 4}, 4);
    for (size_t place = 0; place < 4; ++place) {
      const auto at = std::ranges::find(sample.candidates, order.candidates[place]);
      want[static_cast<size_t>(at - sample.candidates.begin())] += p[place] / 4;
    }
  }
  const CandidateScores four = letter_scores(*models_.letters, stage_.samples, 4, pool_);
  const CandidateScores one = letter_scores(*models_.letters, stage_.samples, 1, pool_);
  double moved = 0;
  for (size_t c = 0; c < 4; ++c) {
    EXPECT_NEAR(std::exp(four.log_probabilities.row(5)[c]), want[c], 1e-5);
    moved += std::abs(std::exp(one.log_probabilities.row(5)[c]) - want[c]);
  }
  EXPECT_GT(moved, 1e-4);  // else the test could not fail
}

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

TEST(ModelPrompt, IsWhatPretrainingLeftBesideTheModel) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(model_prompt(folder / "").history_item, PromptConfig{}.history_item);
  PromptConfig prompt;
  prompt.history_item = "{title}";
  prompt.max_history = 7;
  write_json(folder / kPromptFile, prompt.to_json());
  EXPECT_EQ(model_prompt(folder / "").history_item, "{title}");
  EXPECT_EQ(model_prompt(folder / "").max_history, 7);
}

}  // namespace
}  // namespace tandem
