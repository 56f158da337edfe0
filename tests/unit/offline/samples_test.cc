// SPDX-License-Identifier: Apache-2.0
#include "offline/samples.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "offline/ranker_evaluation.h"
#include "support/constant_retriever.h"
#include "support/named_dataset.h"
#include "support/ranker_world.h"

namespace tandem {
namespace {

class Samples : public testing::Test {
 protected:
  // Candidates of the validation split: the target at place user % 4, or missing for 3.
  CandidateSet candidates() const {
    CandidateSet set;
    set.num_users = dataset_.num_users();
    set.num_candidates = 3;
    set.num_items = dataset_.num_items();
    set.split = "valid";
    set.seen_items = "none";
    set.fingerprint = dataset_.fingerprint();
    for (int64_t user = 0; user < set.num_users; ++user) {
      const int32_t target = *target_item(dataset_, user, Split::kValid);
      for (int64_t place = 0; place < 3; ++place) {
        const auto other = static_cast<int32_t>((target + place) % dataset_.num_items() + 1);
        set.items.push_back(place == user % 4 ? target : other);
        set.scores.push_back(static_cast<float>(-place));
      }
      set.target.push_back(target);
      set.rank.push_back(static_cast<int32_t>(user % 4 == 3 ? 5 : user % 4 + 1));
    }
    return set;
  }

  test::TemporaryFolder folder_;
  Dataset dataset_ = test::tiny_dataset(folder_);
};

TEST_F(Samples, PrefixesHoldTwoItemsOrMore) {
  const auto prefixes = training_prefixes(dataset_);
  int64_t expected = 0;
  for (int64_t user = 0; user < dataset_.num_users(); ++user)
    expected += std::max(std::ssize(train_items(dataset_, user)) - 1, std::ptrdiff_t{0});
  EXPECT_EQ(std::ssize(prefixes), expected);
  for (const TrainingPrefix& prefix : prefixes) EXPECT_GE(prefix.length, 2);
}

TEST_F(Samples, UniformNegativesAreNeverKnownItems) {
  const auto prefixes = training_prefixes(dataset_);
  for (size_t i = 0; i < prefixes.size(); ++i) {
    const RankingSample sample =
        uniform_sample(dataset_, prefixes[i], 8, 42, 0, static_cast<int64_t>(i));
    ASSERT_EQ(sample.candidates.size(), 8u);
    const auto items = train_items(dataset_, prefixes[i].user);
    const int32_t answer = items[static_cast<size_t>(prefixes[i].length) - 1];
    EXPECT_EQ(sample.candidates[sample.answer], answer);
    EXPECT_EQ(std::ranges::count(sample.candidates, answer), 1);
    EXPECT_EQ(std::ssize(sample.history), prefixes[i].length - 1);
    for (const int32_t item : sample.candidates) {
      EXPECT_GE(item, 1);
      EXPECT_LE(item, dataset_.num_items());
      EXPECT_EQ(std::ranges::find(sample.history, item), sample.history.end());
    }
  }
}

TEST_F(Samples, DrawsDependOnSeedEpochAndNumberAlone) {
  const TrainingPrefix prefix = training_prefixes(dataset_).back();
  const auto draw = [&](uint64_t seed, int64_t epoch, int64_t number) {
    return uniform_sample(dataset_, prefix, 8, seed, epoch, number).candidates;
  };
  EXPECT_EQ(draw(1, 0, 5), draw(1, 0, 5));
  EXPECT_NE(draw(1, 0, 5), draw(2, 0, 5));
  EXPECT_NE(draw(1, 0, 5), draw(1, 1, 5));
  EXPECT_NE(draw(1, 0, 5), draw(1, 0, 6));
}

TEST_F(Samples, RetrievedOrderIsKeptAndAMissingAnswerTakesTheLastPlace) {
  const TrainingPrefix prefix = training_prefixes(dataset_).back();
  const int32_t answer = train_items(dataset_, prefix.user)[static_cast<size_t>(prefix.length) - 1];
  const auto other = [&](int32_t n) { return (answer + n) % 15 + 1; };
  const std::vector<int32_t> with{other(1), answer, other(2)},
      without{other(1), other(2), other(3)};
  const auto kept = retrieved_sample(dataset_, prefix, with, false, 1, 0, 0);
  EXPECT_EQ(kept.candidates, with);
  EXPECT_EQ(kept.answer, 1);
  const auto forced = retrieved_sample(dataset_, prefix, without, false, 1, 0, 0);
  EXPECT_EQ(forced.candidates, (std::vector<int32_t>{other(1), other(2), answer}));
  EXPECT_EQ(forced.answer, 2);
  const std::vector<int32_t> short_row{other(1), 0, 0};
  EXPECT_EQ(retrieved_sample(dataset_, prefix, short_row, false, 1, 0, 0).candidates,
            (std::vector<int32_t>{other(1), answer}));
}

TEST_F(Samples, SubsetHoldsTheUsersWhoseTargetIsShown) {
  const CandidateSet set = candidates();
  const auto samples = subset_samples(dataset_, set, 3);
  EXPECT_EQ(samples.size(), 9u);
  for (const RankingSample& sample : samples) EXPECT_EQ(sample.answer, sample.user % 4);
  EXPECT_EQ(subset_samples(dataset_, set, 1).size(), 3u);
  CandidateSet other = set;
  other.fingerprint = "another";
  EXPECT_THROW(subset_samples(dataset_, other, 3), DataError);
}

TEST_F(Samples, CombinedMetricsWeighSubsetAndRest) {
  const CandidateSet set = candidates();
  const auto samples = subset_samples(dataset_, set, 3);
  std::vector<float> scores;  // the ranker turns the retriever's order around
  for (size_t i = 0; i < samples.size(); ++i) scores.insert(scores.end(), {1, 2, 3});
  const RankList subset = rank_samples(samples, scores, 3);
  for (size_t i = 0; i < samples.size(); ++i) EXPECT_EQ(subset.ranks[i], 3 - samples[i].answer);
  const RankList all = combine_ranks(subset, set);
  ASSERT_EQ(all.size(), 12);
  const std::vector<Metric> metrics = ranking_metrics(std::vector<int32_t>{1, 3, 5});
  const auto of_all = means(user_values(all.ranks, metrics));
  const auto of_subset = means(user_values(subset.ranks, metrics));
  for (size_t m = 0; m < metrics.size(); ++m) {
    // Three users of rank 5 are the rest.
    EXPECT_NEAR(of_all[m], (of_subset[m] * 9 + metrics[m].value(5) * 3) / 12, 1e-12);
  }
  EXPECT_EQ(retriever_ranks(samples, set).ranks[1], 2);
  EXPECT_EQ(all_retriever_ranks(set).size(), 12);
}

// A retriever for five items whose scores are b .75, c .625, a .5, e .25, d .125, in that order;
// it sees two items of a history.
class RetrievedCandidates : public testing::Test {
 protected:
  RetrievedCandidates() {
    test::write_constant_run(run_, {.5f, .75f, .625f, .125f, .25f}, 2, dataset_.fingerprint());
  }

  test::TemporaryFolder folder_;
  ThreadPool pool_{2};
  Dataset dataset_ = test::named_dataset(folder_ / "data", {{"b", "a", "c", "d", "e"}, {"a", "c"}});
  fs::path run_ = folder_ / "run";
};

TEST_F(RetrievedCandidates, OfATrainingPrefixFollowItsHistoryWithoutTheAnswer) {
  const auto prefixes = training_prefixes(dataset_);
  ASSERT_EQ(prefixes, (std::vector<TrainingPrefix>{{0, 2}, {0, 3}, {1, 2}}));
  const PrefixCandidates two = retrieve_for_prefixes(run_, dataset_, prefixes, 2, pool_);
  EXPECT_EQ(two.num_candidates, 2);
  // After b: c, a. After b, a: c, e. After a: b, c.
  EXPECT_EQ(two.items, (std::vector<int32_t>{3, 1, 3, 5, 2, 3}));
  EXPECT_EQ(two.answer_rank, (std::vector<int32_t>{2, 1, 2}));
  EXPECT_EQ(two.describe(),
            "answer in the top 2 in 100.0 % of 3 training prompts, and first in 33.3 % of those");
  const PrefixCandidates one = retrieve_for_prefixes(run_, dataset_, prefixes, 1, pool_);
  EXPECT_EQ(one.items, (std::vector<int32_t>{3, 3, 2}));
  EXPECT_EQ(one.answer_rank, (std::vector<int32_t>{0, 1, 0}));
  const PrefixCandidates four =
      retrieve_for_prefixes(run_, dataset_, std::span(prefixes).subspan(1, 1), 4, pool_);
  EXPECT_EQ(four.items, (std::vector<int32_t>{3, 5, 4, 0}));
}

TEST_F(RetrievedCandidates, AreReadFromAFileOrFoundByARun) {
  const CandidateSet found = load_candidates(run_, dataset_, Split::kTest, 2, pool_);
  EXPECT_EQ(found.split, "test");
  EXPECT_EQ(found.seen_items, "window");
  EXPECT_EQ(found.items, (std::vector<int32_t>{2, 1, 0, 0}));  // c and d are the window
  EXPECT_EQ(found.rank, (std::vector<int32_t>{3, 0}));
  EXPECT_EQ(found.target, (std::vector<int32_t>{5, 0}));
  const fs::path file = folder_ / "test.safetensors";
  write_candidates(file, found);
  EXPECT_EQ(load_candidates(file, dataset_, Split::kTest, 2, pool_).items, found.items);
  EXPECT_THROW(load_candidates(file, dataset_, Split::kValid, 2, pool_), DataError);
  EXPECT_EQ(load_candidates(run_, dataset_, Split::kValid, 2, pool_).target,
            (std::vector<int32_t>{4, 0}));
  // Another data set of as many users and items.
  const Dataset other =
      test::named_dataset(folder_ / "other", {{"b", "a", "c", "e", "d"}, {"a", "c"}});
  EXPECT_THROW(load_candidates(file, other, Split::kTest, 2, pool_), DataError);
  CandidateSet more = found;
  more.num_items = 6;
  EXPECT_THROW(check_same_data(more, dataset_), DataError);
  more = found;
  more.num_users = 1;
  EXPECT_THROW(check_same_data(more, dataset_), DataError);
}

}  // namespace
}  // namespace tandem
