// SPDX-License-Identifier: Apache-2.0
#include "offline/two_stage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <optional>

#include "core/error.h"
#include "core/interrupt.h"
#include "offline/fusion_weights.h"
#include "offline/logged_scoring.h"
#include "rank/candidate_order.h"
#include "support/ranker_world.h"
#include "support/sequence_dataset.h"

namespace tandem {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

double value_of(const Evaluation& evaluation, const std::string& name) {
  for (const MetricResult& metric : evaluation.metrics)
    if (metric.name == name) return metric.value;
  ADD_FAILURE() << "no " << name;
  return -1;
}

engine::Matrix matrix(int64_t columns, std::vector<float> values) {
  engine::Matrix result(std::ssize(values) / columns, columns);
  result.values = std::move(values);
  return result;
}

// Four users and two candidates each. The held-out items 4 and 5 of users 0 and 1 are retrieved,
// second and first; user 2's item 6 is the retriever's third; user 3 had item 1 before, so it is
// excluded.
class TwoStages : public testing::Test {
 protected:
  TwoStages()
      : dataset_(test::dataset_of(folder_, 6,
                                  {{1, 2, 3, 4}, {2, 3, 4, 5}, {3, 4, 5, 6}, {1, 2, 3, 4, 5, 1}})) {
    CandidateSet set{.num_users = 4,
                     .num_candidates = 2,
                     .items = {5, 4, 5, 6, 1, 2, 6, 0},
                     .scores = {std::log(4.0F), 0, std::log(4.0F), 0, 1, 0, 1, 0},
                     .target = {4, 5, 6, 1},
                     .rank = {2, 1, 3, 0},
                     .num_items = 6,
                     .split = "test",
                     .seen_items = "history",
                     .fingerprint = dataset_.fingerprint(),
                     .retriever = "lrurec"};
    write_candidates(file_, set);
  }

  SecondStage open(const UserSample& sample = {}) {
    return open_second_stage({.retriever = file_, .num_candidates = 2, .sample = sample}, dataset_,
                             pool_);
  }

  // Letters that turn user 0's order around (1 : 3) and cannot decide for user 1.
  SecondStage scored() {
    SecondStage stage = open();
    stage.scorers.push_back(
        candidate_scores("letters", stage.samples, matrix(2, {0, std::log(3.0F), 0, 0})));
    return stage;
  }

  std::vector<Evaluation> evaluate(const SecondStage& stage, std::span<const double> weights,
                                   StageUsers users) {
    Protocol protocol;
    protocol.cutoffs = {1, 2, 3};
    protocol.resampling = {.resamples = 50, .seed = 1};
    return evaluate_stage(stage, weights, users, protocol, dataset_, pool_);
  }

  test::TemporaryFolder folder_;
  ThreadPool pool_{2};
  Dataset dataset_;
  const fs::path file_ = folder_ / "candidates.safetensors";
};

TEST_F(TwoStages, TheSubsetsValuesAreThoseByHand) {
  const double weights[] = {1, 0.5};
  const auto systems = evaluate(scored(), weights, StageUsers::kSubset);
  ASSERT_EQ(systems.size(), 3U);
  const Evaluation &retriever = systems[0], &letters = systems[1], &fused = systems[2];
  EXPECT_EQ(retriever.system, "lrurec");
  EXPECT_EQ(letters.system, "letters");
  EXPECT_EQ(fused.system, "fused");
  EXPECT_THAT(retriever.user_ids, ElementsAre("u0", "u1"));
  EXPECT_THAT(retriever.target_ids, ElementsAre("i4", "i5"));
  EXPECT_THAT(retriever.ranks, ElementsAre(2, 1));
  EXPECT_THAT(letters.ranks, ElementsAre(1, 1));
  EXPECT_THAT(letters.tied, ElementsAre(0, 1));
  // User 0: .8 * .25^.5 = .4 against .2 * .75^.5 = .173, so half a weight does not turn it around.
  EXPECT_THAT(fused.ranks, ElementsAre(2, 1));
  EXPECT_DOUBLE_EQ(value_of(retriever, "Recall@1"), 0.5);
  EXPECT_DOUBLE_EQ(value_of(retriever, "Recall@2"), 1);
  EXPECT_DOUBLE_EQ(value_of(retriever, "MRR@2"), 0.75);
  EXPECT_NEAR(value_of(retriever, "NDCG@2"), (1 / std::log2(3.0) + 1) / 2, 1e-15);
  EXPECT_DOUBLE_EQ(value_of(letters, "NDCG@1"), 1);
  for (const Evaluation& system : systems) {
    EXPECT_EQ(system.protocol.users, "valid retrieval");
    EXPECT_EQ(system.protocol.seen_items, "history");
    EXPECT_THAT(system.protocol.candidate_set, HasSubstr("lrurec top 2, lists "));
  }
  const double full[] = {1, 2};  // .8 * .25^2 = .05 against .2 * .75^2 = .1125
  EXPECT_THAT(evaluate(scored(), full, StageUsers::kSubset)[2].ranks, ElementsAre(1, 1));
}

TEST_F(TwoStages, AllUsersKeepTheRetrieversRankOutsideTheSubset) {
  const auto systems = evaluate(scored(), {}, StageUsers::kAll);
  ASSERT_EQ(systems.size(), 2U);
  const Evaluation &retriever = systems[0], &letters = systems[1];
  EXPECT_THAT(retriever.ranks, ElementsAre(2, 1, 3, 0));
  EXPECT_THAT(letters.ranks, ElementsAre(1, 1, 3, 0));
  EXPECT_DOUBLE_EQ(value_of(retriever, "Recall@1"), 0.25);
  EXPECT_DOUBLE_EQ(value_of(retriever, "Recall@3"), 0.75);
  EXPECT_DOUBLE_EQ(value_of(retriever, "MRR@3"), (0.5 + 1 + 1.0 / 3) / 4);
  EXPECT_DOUBLE_EQ(value_of(letters, "Recall@1"), 0.5);
  EXPECT_DOUBLE_EQ(value_of(letters, "NDCG@3"), (1 + 1 + 0.5) / 4);
  for (const Evaluation& system : systems) {
    EXPECT_EQ(system.protocol.users, "all");
    EXPECT_EQ(system.num_excluded(), 1);
  }
  EXPECT_EQ(retriever.num_tied(), 0);
  EXPECT_EQ(letters.num_tied(), 1);
}

TEST_F(TwoStages, ASampleIsNamedAndLeavesTheOthersOut) {
  const UserSample sample{.size = 3, .seed = 5};
  const std::vector<int64_t> drawn = sample.draw(std::vector<int64_t>{0, 1, 2, 3});
  SecondStage stage = open(sample);
  const Evaluation all = evaluate(stage, {}, StageUsers::kAll)[0];
  std::vector<std::string> ids;
  for (const int64_t user : drawn) ids.push_back(fmt::format("u{}", user));
  EXPECT_EQ(all.user_ids, ids);
  EXPECT_EQ(all.protocol.users, "3 drawn with seed 5");
  const Evaluation subset = evaluate(stage, {}, StageUsers::kSubset)[0];
  EXPECT_EQ(subset.protocol.users, "valid retrieval of 3 drawn with seed 5");
  EXPECT_EQ(subset.num_users(), std::ranges::count_if(drawn, [](int64_t u) { return u < 2; }));
  EXPECT_EQ(evaluate(open({.size = 4}), {}, StageUsers::kAll)[0].protocol.users, "all");
}

TEST_F(TwoStages, AFilesRuleCannotBeAskedOtherwise) {
  EXPECT_NO_THROW(open_second_stage(
      {.retriever = file_, .num_candidates = 2, .seen = engine::SeenItems::kHistory}, dataset_,
      pool_));
  EXPECT_THROW(
      open_second_stage({.retriever = file_, .num_candidates = 2, .seen = engine::SeenItems::kNone},
                        dataset_, pool_),
      DataError);
}

// Scores of a random model, with enough users for several packs.
class KeptScores : public testing::Test {
 protected:
  KeptScores() : dataset_(test::tiny_dataset(folder_)) {
    PromptConfig config;
    config.num_candidates = 6;
    model_ = std::make_unique<TitledRanker>(load_ranker(test::tiny_base(folder_, pool_), config),
                                            dataset_, pool_);
    const auto prefixes = training_prefixes(dataset_);
    for (int i = 0; i < 320; ++i)
      samples_.push_back(
          uniform_sample(dataset_, prefixes[static_cast<size_t>(i) % prefixes.size()], 6, 1, 0, i));
  }

  std::vector<float> letters(int64_t permutations) {
    return letter_scores(*model_, samples_, permutations, pool_, &*watch_).log_probabilities.values;
  }
  std::vector<float> likelihoods() {
    return likelihood_scores(*model_, samples_, pool_, &*watch_).log_probabilities.values;
  }

  template <typename Work>
  void stopped_and_resumed(const Work& work) {
    const std::vector<float> whole = work();
    const fs::path path = folder_ / "x.scores";
    uintmax_t empty = 0;
    {
      ScoreLog log(path, {}, false);
      empty = fs::file_size(path);
      watch_.emplace(&log);
      const InterruptGuard guard;
      std::raise(SIGINT);
      EXPECT_THROW(work(), Stopped);
    }
    const auto size = fs::file_size(path);
    EXPECT_GT(size, empty);  // the first pack
    const InterruptGuard anew;
    ScoreLog log(path, {}, true);
    watch_.emplace(&log);
    EXPECT_EQ(work(), whole);
    EXPECT_GT(fs::file_size(path), size);
    ScoreLog finished(path, {}, true);
    watch_.emplace(&finished);
    const auto complete = fs::file_size(path);
    EXPECT_EQ(work(), whole);
    EXPECT_EQ(fs::file_size(path), complete);  // nothing was scored again
  }

  test::TemporaryFolder folder_;
  ThreadPool pool_{2};
  Dataset dataset_;
  std::unique_ptr<TitledRanker> model_;
  std::optional<LoggedScoring> watch_{std::in_place};
  std::vector<RankingSample> samples_;
};

TEST_F(KeptScores, LettersThatGoOnHaveTheBitsOfOneRun) {
  stopped_and_resumed([&] { return letters(1); });
}

TEST_F(KeptScores, LikelihoodsThatGoOnHaveTheBitsOfOneRun) {
  stopped_and_resumed([&] { return likelihoods(); });
}

TEST_F(KeptScores, OrdersOfTheCandidatesAreTakenApart) {
  stopped_and_resumed([&] { return letters(2); });
}

// The mean over the orders, by hand from the logits of each.
TEST_F(KeptScores, PermutationsAverageProbabilities) {
  const engine::Matrix plain = letter_logits(*model_, samples_, pool_);
  std::vector<RankingSample> turned_samples;
  for (const RankingSample& sample : samples_) turned_samples.push_back(turned(sample, 3));
  const engine::Matrix turned_logits = letter_logits(*model_, turned_samples, pool_);
  const CandidateScores scores = letter_scores(*model_, samples_, 2, pool_);
  for (int64_t r = 0; r < plain.rows; r += 7) {
    const auto a = letter_probabilities({plain.row(r), 6}, 6),
               b = letter_probabilities({turned_logits.row(r), 6}, 6);
    for (int64_t c = 0; c < 6; ++c)
      EXPECT_NEAR(std::exp(scores.log_probabilities.row(r)[c]), (a[c] + b[(c + 3) % 6]) / 2, 1e-6);
  }
}

}  // namespace
}  // namespace tandem
