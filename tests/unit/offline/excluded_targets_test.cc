// SPDX-License-Identifier: Apache-2.0
// A held-out item that the user had before and that may therefore not be offered is a miss at every
// cut-off, also where fewer items are left to offer than the cut-off allows. So is one that the
// model does not know.
#include <gtest/gtest.h>

#include <vector>

#include "offline/full_ranking.h"
#include "offline/ranker_evaluation.h"
#include "offline/samples.h"
#include "rank/catalogue.h"
#include "support/named_dataset.h"
#include "support/random_retriever.h"
#include "support/sequence_dataset.h"

namespace tandem {
namespace {

class ExcludedTargets : public testing::Test {
 protected:
  // User 0 had its last item before, long ago; user 1 had it just before; user 2 never had it.
  ExcludedTargets()
      : dataset_(test::dataset_of(folder_, 4, {{4, 1, 2, 3, 4}, {1, 2, 3, 3}, {1, 2, 3, 4}})),
        retriever_(engine::make_retriever(test::random_weights({.model_type = "lrurec",
                                                                .num_items = 4,
                                                                .width = 4,
                                                                .blocks = 1,
                                                                .heads = 1,
                                                                .inner = 2,
                                                                .max_length = 3},
                                                               5))) {}

  FullRanking ranked(engine::SeenItems seen) {
    return rank_users(*retriever_, dataset_, Split::kTest, 4, seen, pool_);
  }

  test::TemporaryFolder folder_;
  ThreadPool pool_{2};
  Dataset dataset_;
  std::unique_ptr<engine::Retriever> retriever_;
};

using Flags = std::vector<uint8_t>;

TEST_F(ExcludedTargets, HaveRankZeroInTheFullRanking) {
  const FullRanking window = ranked(engine::SeenItems::kWindow),
                    history = ranked(engine::SeenItems::kHistory),
                    none = ranked(engine::SeenItems::kNone);
  // Three items are the window: the oldest of user 0 lies outside.
  EXPECT_EQ(window.ranks.excluded, (Flags{0, 1, 0}));
  EXPECT_EQ(window.ranks.ranks, (std::vector<int32_t>{1, 0, 1}));  // only item 4 is left
  EXPECT_EQ(history.ranks.excluded, (Flags{1, 1, 0}));
  EXPECT_EQ(history.ranks.ranks, (std::vector<int32_t>{0, 0, 1}));
  EXPECT_EQ(history.candidates.rank, (std::vector<int32_t>{0, 0, 1}));
  EXPECT_EQ(none.ranks.num_excluded(), 0);
  for (const int32_t rank : none.ranks.ranks) EXPECT_GE(rank, 1);
  for (const FullRanking* ranking : {&window, &history, &none})
    EXPECT_EQ(ranking->ranks.num_tied(), 0);
}

TEST_F(ExcludedTargets, HaveRankZeroByPopularity) {
  const RankList window =
      rank_by_popularity(dataset_, Split::kTest, engine::SeenItems::kWindow, 3, pool_);
  EXPECT_EQ(window.excluded, (Flags{0, 1, 0}));
  EXPECT_EQ(window.ranks, (std::vector<int32_t>{1, 0, 1}));
  EXPECT_EQ(window.num_tied(), 0);
  EXPECT_EQ(
      rank_by_popularity(dataset_, Split::kTest, engine::SeenItems::kHistory, 3, pool_).excluded,
      (Flags{1, 1, 0}));
  // The worker's scores are put back for the next user.
  ThreadPool one(1);
  EXPECT_EQ(rank_by_popularity(dataset_, Split::kTest, engine::SeenItems::kWindow, 3, one).ranks,
            window.ranks);
}

TEST_F(ExcludedTargets, AreMissesOfAllUsersInTwoStages) {
  const CandidateSet set = ranked(engine::SeenItems::kHistory).candidates;
  const std::vector<RankingSample> samples = subset_samples(dataset_, set, 4);
  ASSERT_EQ(samples.size(), 1U);  // user 2, whose only candidate is the target
  const RankList all = combine_ranks(rank_samples(samples, std::vector<float>{7}, 1), set);
  EXPECT_EQ(all.ranks, (std::vector<int32_t>{0, 0, 1}));
  EXPECT_EQ(all.excluded, (Flags{1, 1, 0}));
  EXPECT_EQ(all.num_tied(), 0);
}

TEST(UnknownTargets, AHeldOutItemThatTheModelDoesNotKnowIsAMiss) {
  const test::TemporaryFolder folder;
  ThreadPool pool(2);
  const Dataset trained = test::named_dataset(
      folder / "trained", {{"i0", "i1", "i2", "i3", "i4"}, {"i5", "i6", "i7", "i8", "i9"}});
  const Dataset later =
      test::named_dataset(folder / "later", {{"i0", "i1", "i2", "a"}, {"i5", "i6", "a", "i7"}});
  test::write_random_run(folder / "run",
                         {.num_items = trained.num_items(),
                          .width = 8,
                          .max_length = 4,
                          .dataset_fingerprint = trained.fingerprint()},
                         7);
  write_item_ids(folder / "run", trained);
  const auto retriever = open_retriever(folder / "run", later).retriever;
  const FullRanking test =
      rank_users(*retriever, later, Split::kTest, 3, engine::SeenItems::kNone, pool);
  EXPECT_EQ(test.ranks.ranks[0], 0);
  EXPECT_GE(test.ranks.ranks[1], 1);
  EXPECT_EQ(test.ranks.num_tied(), 0);
  // In a candidate file it stands behind all items.
  EXPECT_EQ(test.candidates.rank[0], later.num_items() + 1);
  EXPECT_EQ(test.candidates.rank[1], test.ranks.ranks[1]);
  EXPECT_NO_THROW(test.candidates.validate("test"));
  const RankList again = all_retriever_ranks(test.candidates);  // as two stages read it
  EXPECT_EQ(again.ranks, test.ranks.ranks);
  EXPECT_EQ(again.excluded, (std::vector<uint8_t>{0, 0}));
  EXPECT_EQ(test.ranks.excluded, (std::vector<uint8_t>{0, 0}));
  const FullRanking valid =
      rank_users(*retriever, later, Split::kValid, 3, engine::SeenItems::kNone, pool);
  EXPECT_GE(valid.ranks.ranks[0], 1);
  EXPECT_EQ(valid.ranks.ranks[1], 0);
}

}  // namespace
}  // namespace tandem
