// SPDX-License-Identifier: Apache-2.0
#include "rank/recommend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "support/constant_retriever.h"
#include "support/named_dataset.h"
#include "support/random_hllm.h"
#include "support/ranker_world.h"
#include "support/recommendation_lists.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

using test::items_of;
using test::scores_of;
using testing::HasSubstr;
using Items = std::vector<int32_t>;

TEST(Recommend, TheBestThatTheRuleAllows) {
  ThreadPool pool(1);
  // b, then c and d, which are equal, a, f, e; the model sees two items.
  const auto retriever = test::constant_retriever({.5f, .75f, .625f, .625f, .125f, .25f}, 2);
  const Items history = {2, 1, 5};
  const auto asked = [&](int64_t k, engine::SeenItems seen) {
    return recommend(*retriever, history, k, seen, pool);
  };
  EXPECT_EQ(items_of(asked(3, engine::SeenItems::kNone)), (Items{2, 3, 4}));
  EXPECT_EQ(items_of(asked(3, engine::SeenItems::kWindow)), (Items{2, 3, 4}));
  EXPECT_EQ(items_of(asked(9, engine::SeenItems::kWindow)), (Items{2, 3, 4, 6}));
  const auto full = asked(9, engine::SeenItems::kHistory);
  EXPECT_EQ(items_of(full), (Items{3, 4, 6}));
  EXPECT_EQ(scores_of(full), (std::vector<double>{.625, .625, .25}));
  EXPECT_EQ(full[2].retrieved, 3);
  EXPECT_TRUE(full[0].reasons.empty());
}

// Counts: c 4, a 3, b 3, d 1; held-out items are counted.
TEST(PopularItems, AreThoseWithMostInteractions) {
  const test::TemporaryFolder folder;
  const Dataset dataset = test::named_dataset(
      folder / "data", {{"a", "b", "c", "c"}, {"b", "a", "c"}, {"a", "b", "d", "c"}});
  const PopularItems popular(dataset);
  EXPECT_EQ(items_of(popular.top(9)), (Items{3, 1, 2, 4}));
  EXPECT_EQ(scores_of(popular.top(9)), (std::vector<double>{4, 3, 3, 1}));
  EXPECT_EQ(items_of(popular.top(2)), (Items{3, 1}));
  const Items had = {4, 3, 3};
  EXPECT_EQ(items_of(popular.top(2, had)), (Items{1, 2}));
  EXPECT_EQ(popular.top(1)[0].retrieved, 0);
}

// Both stages: the fused score is the weighted sum of log probabilities over the candidates.
TEST(RecommendTwoStage, FusesTheScorersWithTheirWeights) {
  const test::TemporaryFolder folder;
  ThreadPool pool(1);
  const Dataset dataset = test::tiny_dataset(folder);  // 15 items
  std::vector<float> scores(15, 0);
  for (size_t item = 1; item <= 15; ++item) scores[item - 1] = .1f * static_cast<float>(item);
  const auto retriever = test::constant_retriever(scores, 10);
  SecondStageModels models;
  PromptConfig prompt;
  prompt.num_candidates = 4;
  models.letters = std::make_unique<TitledRanker>(
      load_ranker(test::tiny_base(folder, pool), prompt), dataset, pool);
  models.num_candidates = 4;
  const Items history = {15, 3};
  // The retriever's four are 14, 13, 12, 11.
  const auto asked = [&](double retriever_weight, double letters_weight, int64_t k) {
    return recommend_two_stage(
        *retriever, models, history, k, engine::SeenItems::kHistory,
        [&](const std::string& name) {
          return name == "letters" ? letters_weight : retriever_weight;
        },
        pool);
  };
  const auto alone = asked(1, 0, 4);
  EXPECT_EQ(items_of(alone), (Items{14, 13, 12, 11}));
  double total = 0;
  for (const double score : {1.4, 1.3, 1.2, 1.1}) total += std::exp(score);
  EXPECT_NEAR(alone[1].score, 1.3 - std::log(total), 1e-6);
  EXPECT_NEAR(alone[1].reasons[0].second, std::exp(1.3) / total, 1e-6);
  EXPECT_EQ(alone[0].reasons[0].first, "lrurec");
  EXPECT_EQ(alone[0].reasons[1].first, "letters");

  const RankingSample sample{.history = history, .candidates = {14, 13, 12, 11}};
  const engine::Matrix letters =
      letter_scores(*models.letters, std::span(&sample, 1), 1, pool).log_probabilities;
  for (const Recommendation& entry : asked(.5, 2, 4)) {
    const auto place = static_cast<size_t>(14 - entry.item);
    EXPECT_EQ(entry.retrieved, static_cast<int64_t>(place) + 1);
    EXPECT_NEAR(entry.reasons[1].second, std::exp(letters.values[place]), 1e-6);
    EXPECT_NEAR(entry.score,
                .5 * std::log(entry.reasons[0].second) + 2 * std::log(entry.reasons[1].second),
                1e-5);
  }
  const auto fused = asked(.5, 2, 4), two = asked(.5, 2, 2);
  for (size_t i = 1; i < 4; ++i) EXPECT_GE(fused[i - 1].score, fused[i].score);
  EXPECT_EQ(items_of(two), (Items{fused[0].item, fused[1].item}));
}

// A judge is told when the items of the history were.
TEST(RecommendTwoStage, AJudgeReadsTheTimesOfTheHistory) {
  const test::TemporaryFolder folder;
  ThreadPool pool(1);
  const HllmConfig config{.num_items = 15,
                          .width = 24,
                          .max_length = 6,
                          .time_width = 3,
                          .ranking = HllmRanking::kLate};
  test::write_random_hllm(folder / "hllm", config, 24, 37, 3);
  engine::Matrix vectors(16, 24);
  vectors.values = test::random_values(16 * 24, 8);
  SecondStageModels models;
  models.judge = std::make_unique<const engine::Hllm>(open_hllm(folder / "hllm"),
                                                      engine::ItemVectors(std::move(vectors)));
  const auto retriever = test::constant_retriever(std::vector<float>(15, .5f), 10);
  const Items items = {15, 3};
  const std::vector<int64_t> times = {1000000000, 1100000000};
  const auto judged = [&](const engine::History& history) {
    std::vector<double> probabilities;
    for (const Recommendation& entry : recommend_two_stage(
             *retriever, models, history, 4, engine::SeenItems::kHistory,
             [](const std::string&) { return 1.0; }, pool))
      probabilities.push_back(entry.reasons.back().second);
    return probabilities;
  };
  EXPECT_EQ(judged({items, times}).size(), 4u);
  EXPECT_NE(judged({items, times}), judged(items));
  RankingSample sample{.history = {items, times}, .candidates = {1, 2}};
  const std::vector<std::vector<int32_t>> candidates = {sample.candidates};
  const auto z = models.judge->judge({&sample.history, 1}, candidates, pool)[0];
  const engine::Matrix scores =
      judged_scores(*models.judge, std::span(&sample, 1), pool).log_probabilities;
  EXPECT_NEAR(scores.values[0] - scores.values[1], z[0] - z[1], 1e-5);
}

}  // namespace
}  // namespace tandem
