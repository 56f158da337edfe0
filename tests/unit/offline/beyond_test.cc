// SPDX-License-Identifier: Apache-2.0
#include "offline/beyond.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "support/random_retriever.h"
#include "support/sequence_dataset.h"

namespace tandem {
namespace {

using testing::ElementsAre;

double value_of(const std::vector<ListMetric>& metrics, const std::string& name) {
  for (const ListMetric& metric : metrics)
    if (metric.name == name) return metric.value;
  ADD_FAILURE() << "no " << name;
  return -1;
}

double count(int item) { return item == 1 ? 3 : item == 6 ? 0 : 1; }  // in training

double ndcg(int rank) { return rank == 0 ? 0 : 1 / std::log2(rank + 1.0); }

// Three users of 6 items with histories of 2, 3 and 5 items before the test item. Training holds
// {1}, {1, 2} and {1, 3, 4, 5}.
class Beyond : public testing::Test {
 protected:
  Beyond()
      : dataset_(test::dataset_of(folder_, 6, {{1, 2, 3}, {1, 2, 3, 4}, {1, 3, 4, 5, 6, 2}})) {}

  RankList ranks_of(std::vector<int32_t> ranks) {
    RankList list;
    for (int64_t user = 0; user < 3; ++user)
      list.add(user, *target_item(dataset_, user, Split::kTest), {.rank = ranks[user]});
    return list;
  }

  Evaluation evaluated(const std::string& name, const RankList& ranks) {
    Protocol protocol;
    protocol.fingerprint = dataset_.fingerprint();
    protocol.resampling = {.resamples = 20, .seed = 1};
    return evaluate_ranks(
        name, protocol, ranks, [&](int64_t user) { return std::string(dataset_.user_id(user)); },
        [&](int64_t item) { return std::string(dataset_.item_id(static_cast<int32_t>(item))); },
        pool_);
  }

  test::TemporaryFolder folder_;
  ThreadPool pool_{2};
  Dataset dataset_;
};

TEST_F(Beyond, ARetrieversListsAndCurvesAreThoseByHand) {
  FullRanking ranking;
  ranking.ranks = ranks_of({1, 4, 0});
  ranking.candidates.num_users = 3;
  ranking.candidates.num_candidates = 2;
  ranking.candidates.items = {3, 1, 1, 2, 1, 0};  // the last list holds one item
  const auto weights = test::random_weights({.model_type = "lrurec",
                                             .num_items = 6,
                                             .width = 4,
                                             .blocks = 1,
                                             .heads = 1,
                                             .inner = 2,
                                             .max_length = 5},
                                            3);
  const auto retriever = engine::make_retriever(weights);
  BeyondOptions options{.list_size = 2, .length_groups = 3, .history_lengths = {1, 4}};
  const BeyondUtility beyond =
      retriever_beyond(*retriever, dataset_, Split::kTest, engine::SeenItems::kHistory, ranking,
                       evaluated("lrurec", ranking.ranks), options, pool_);
  ASSERT_EQ(beyond.lists.size(), 1U);
  EXPECT_EQ(beyond.lists[0].system, "lrurec");
  EXPECT_DOUBLE_EQ(value_of(beyond.lists[0].metrics, "coverage@2"), 3.0 / 6);
  EXPECT_DOUBLE_EQ(value_of(beyond.lists[0].metrics, "ARP@2"), (2.0 + 2.0 + 3.0) / 3);
  ASSERT_EQ(beyond.by_length.size(), 1U);
  std::vector<double> values;
  std::vector<int32_t> lengths;
  for (const LengthGroup& group : beyond.by_length[0].groups) {
    values.push_back(group.value);
    lengths.push_back(group.longest);
    EXPECT_EQ(group.num_users, 1);
  }
  EXPECT_THAT(lengths, ElementsAre(2, 3, 5));
  EXPECT_THAT(values, ElementsAre(1, ndcg(4), 0));

  // Each user asked alone with the newest items.
  ASSERT_EQ(beyond.shortened.size(), 1U);
  for (size_t l = 0; l < 2; ++l) {
    double sum = 0;
    for (int64_t user = 0; user < 3; ++user) {
      const engine::History whole = input_items(dataset_, user, Split::kTest);
      const auto length = static_cast<size_t>(options.history_lengths[l]);
      const engine::History one[] = {whole.newest(length)};
      const int32_t target[] = {*target_item(dataset_, user, Split::kTest)};
      sum += ndcg(static_cast<int>(
          retriever->top_k_and_rank(one, 0, target, engine::SeenItems::kHistory, pool_)
              .ranks[0]
              .rank));
    }
    EXPECT_DOUBLE_EQ(beyond.shortened[0].groups[l].value, sum / 3);
    EXPECT_EQ(beyond.shortened[0].groups[l].longest, options.history_lengths[l]);
  }
}

// As in a catalogue of one item, which everybody had before.
TEST_F(Beyond, ARetrieverThatMayOfferNothingHasNoListMetrics) {
  FullRanking ranking;
  ranking.ranks = ranks_of({0, 0, 0});
  ranking.candidates.num_users = 3;
  ranking.candidates.num_candidates = 2;
  ranking.candidates.items = {0, 0, 0, 0, 0, 0};
  const auto retriever = engine::make_retriever(test::random_weights({.model_type = "lrurec",
                                                                      .num_items = 6,
                                                                      .width = 4,
                                                                      .blocks = 1,
                                                                      .heads = 1,
                                                                      .inner = 2,
                                                                      .max_length = 5},
                                                                     3));
  const BeyondUtility beyond = retriever_beyond(
      *retriever, dataset_, Split::kTest, engine::SeenItems::kHistory, ranking,
      evaluated("lrurec", ranking.ranks), {.list_size = 2, .length_groups = 1}, pool_);
  EXPECT_TRUE(beyond.lists.empty());
  ASSERT_EQ(beyond.by_length.size(), 1U);
  EXPECT_DOUBLE_EQ(beyond.by_length[0].groups[0].value, 0);
}

TEST_F(Beyond, AStagesListsAreInTheOrderOfTheScores) {
  SecondStage stage{.num_candidates = 2};
  stage.candidates.retriever = "lrurec";
  for (int64_t user = 0; user < 3; ++user) {
    const int32_t target = *target_item(dataset_, user, Split::kTest);
    stage.samples.push_back({.user = user,
                             .history = input_items(dataset_, user, Split::kTest),
                             .candidates = {target, 6 - target % 2},
                             .answer = 0});
  }
  engine::Matrix first(3, 2), second(3, 2);
  first.values = {2, 1, 2, 1, 2, 1};   // the target first
  second.values = {1, 2, 2, 2, 1, 2};  // second; of equal ones the retriever's order
  stage.scorers.push_back(candidate_scores("lrurec", stage.samples, first));
  stage.scorers.push_back(candidate_scores("letters", stage.samples, second));
  const std::vector<Evaluation> systems = {evaluated("lrurec", ranks_of({1, 1, 1})),
                                           evaluated("letters", ranks_of({2, 1, 2}))};
  const BeyondUtility beyond =
      stage_beyond(stage, {}, SecondStageModels{.num_candidates = 2}, dataset_, systems,
                   {.list_size = 1, .length_groups = 1, .examples = 0}, pool_);
  ASSERT_EQ(beyond.lists.size(), 2U);
  EXPECT_EQ(beyond.num_users, 3);
  // The retriever shows 3, 4 and 2 first, the letters 5, 4 and 6.
  EXPECT_DOUBLE_EQ(value_of(beyond.lists[0].metrics, "ARP@1"),
                   (count(3) + count(4) + count(2)) / 3);
  EXPECT_DOUBLE_EQ(value_of(beyond.lists[1].metrics, "ARP@1"),
                   (count(5) + count(4) + count(6)) / 3);
  ASSERT_EQ(beyond.by_length.size(), 2U);
  EXPECT_DOUBLE_EQ(beyond.by_length[0].groups[0].value, 1);
  EXPECT_DOUBLE_EQ(beyond.by_length[1].groups[0].value, (1 + 2 * ndcg(2)) / 3);
  EXPECT_THROW(stage_beyond(stage, {}, SecondStageModels{}, dataset_, systems,
                            {.position_bias = true, .examples = 0}, pool_),
               UsageError);
}

TEST_F(Beyond, HistoryLengthsAreThoseBeforeTheHeldOutItem) {
  const Evaluation evaluation = evaluated("x", ranks_of({1, 1, 1}));
  EXPECT_THAT(history_lengths(evaluation, dataset_), ElementsAre(2, 3, 5));
  Evaluation valid = evaluation;
  valid.protocol.split = "valid";
  EXPECT_THAT(history_lengths(valid, dataset_), ElementsAre(1, 2, 4));
  valid.user_ids[0] = "nobody";
  EXPECT_THROW(history_lengths(valid, dataset_), DataError);
  valid.protocol.fingerprint = "another";
  EXPECT_THROW(history_lengths(valid, dataset_), DataError);
}

}  // namespace
}  // namespace tandem
