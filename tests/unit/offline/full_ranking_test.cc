// SPDX-License-Identifier: Apache-2.0
// rank_users and rank_by_popularity against numbers worked out by hand.
#include "offline/full_ranking.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/error.h"
#include "support/constant_retriever.h"
#include "support/named_dataset.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

using Ranks = std::vector<int32_t>;
using Flags = std::vector<uint8_t>;

// Items a to f are 1 to 6. u2 has nothing held out. Before the held-out item, and that item:
//        valid          test
//   u0   a b c    d     a b c d    e
//   u1   b a      b     b a b      c
//   u3   d e a c  b     d e a c b  a
class FullRankingTest : public testing::Test {
 protected:
  FullRanking ranked(Split split, engine::SeenItems seen, int64_t k = 2) {
    // b first, then c and d, which are equal, a, f, e. The window is two items.
    const auto retriever = test::constant_retriever({.5f, .9f, .7f, .7f, .1f, .3f}, 2);
    return rank_users(*retriever, dataset_, split, k, seen, pool_);
  }
  RankList popular(Split split, engine::SeenItems seen) {
    return rank_by_popularity(dataset_, split, seen, 2, pool_);
  }

  test::TemporaryFolder folder_;
  ThreadPool pool_{2};
  Dataset dataset_ = test::named_dataset(folder_ / "data", {{"a", "b", "c", "d", "e"},
                                                            {"b", "a", "b", "c"},
                                                            {"a", "f"},
                                                            {"d", "e", "a", "c", "b", "a"}});
};

void expect_ranks(const RankList& list, const Ranks& targets, const Ranks& ranks, const Flags& tied,
                  const Flags& excluded) {
  EXPECT_EQ(list.users, (std::vector<int64_t>{0, 1, 3}));
  EXPECT_EQ(list.targets, targets);
  EXPECT_EQ(list.ranks, ranks);
  EXPECT_EQ(list.tied, tied);
  EXPECT_EQ(list.excluded, excluded);
}

TEST_F(FullRankingTest, OfTheValidationItems) {
  const Ranks targets = {4, 2, 2};
  expect_ranks(ranked(Split::kValid, engine::SeenItems::kNone).ranks, targets, {2, 1, 1}, {1, 0, 0},
               {0, 0, 0});
  expect_ranks(ranked(Split::kValid, engine::SeenItems::kWindow).ranks, targets, {1, 0, 1},
               {0, 0, 0}, {0, 1, 0});
  expect_ranks(ranked(Split::kValid, engine::SeenItems::kHistory).ranks, targets, {1, 0, 1},
               {0, 0, 0}, {0, 1, 0});
}

TEST_F(FullRankingTest, OfTheTestItems) {
  const Ranks targets = {5, 3, 1};
  expect_ranks(ranked(Split::kTest, engine::SeenItems::kNone).ranks, targets, {6, 2, 4}, {0, 1, 0},
               {0, 0, 0});
  // u0 may still be offered a, b and f, u3 all but c and b.
  expect_ranks(ranked(Split::kTest, engine::SeenItems::kWindow).ranks, targets, {4, 1, 2},
               {0, 1, 0}, {0, 0, 0});
  // u0 may be offered f and e alone; u3 had its item before.
  expect_ranks(ranked(Split::kTest, engine::SeenItems::kHistory).ranks, targets, {2, 1, 0},
               {0, 1, 0}, {0, 0, 1});
}

TEST_F(FullRankingTest, CandidatesAreTheBestThatMayBeOffered) {
  const CandidateSet set = ranked(Split::kTest, engine::SeenItems::kWindow).candidates;
  EXPECT_EQ(set.items, (Ranks{2, 1, 3, 4, 0, 0, 4, 1}));  // of equal scores the lower number first
  EXPECT_EQ(set.scores, (std::vector<float>{.9f, .5f, .7f, .7f, 0, 0, .7f, .5f}));
  EXPECT_EQ(set.target, (Ranks{5, 3, 0, 1}));
  EXPECT_EQ(set.rank, (Ranks{4, 1, 0, 2}));
  EXPECT_EQ(set.num_users, 4);
  EXPECT_EQ(set.num_items, 6);
  EXPECT_EQ(set.split, "test");
  EXPECT_EQ(set.seen_items, "window");
  EXPECT_EQ(set.fingerprint, dataset_.fingerprint());
  EXPECT_EQ(set.retriever, "lrurec");
  EXPECT_NO_THROW(set.validate("here"));
  // A row with fewer than k ends in zeros.
  const CandidateSet few = ranked(Split::kTest, engine::SeenItems::kHistory, 4).candidates;
  EXPECT_EQ(Ranks(few.items.begin(), few.items.begin() + 4), (Ranks{6, 5, 0, 0}));
  EXPECT_EQ(ranked(Split::kValid, engine::SeenItems::kNone).candidates.split, "valid");
}

TEST_F(FullRankingTest, TheModelSeesWhatLiesBeforeTheHeldOutItem) {
  const auto retriever = engine::make_retriever(
      test::random_weights({.num_items = 6, .width = 8, .max_length = 3}, 3));
  const std::vector<std::vector<int32_t>> valid = {{1, 2, 3}, {2, 1}, {4, 5, 1, 3}};
  const std::vector<std::vector<int32_t>> test = {{1, 2, 3, 4}, {2, 1, 2}, {4, 5, 1, 3, 2}};
  for (const Split split : {Split::kValid, Split::kTest}) {
    const auto& rows = split == Split::kValid ? valid : test;
    const std::vector<engine::History> histories(rows.begin(), rows.end());
    const auto top = retriever->top_k(histories, 2, engine::SeenItems::kNone, pool_);
    const CandidateSet set =
        rank_users(*retriever, dataset_, split, 2, engine::SeenItems::kNone, pool_).candidates;
    for (size_t row = 0; row < 3; ++row) {
      const auto user = std::vector<int64_t>{0, 1, 3}[row];
      EXPECT_EQ(set.items_of(user)[0], top[row][0].item);
      EXPECT_EQ(set.scores_of(user)[0], top[row][0].score);
      EXPECT_EQ(set.scores_of(user)[1], top[row][1].score);
    }
  }
}

// Training counts: a 4, b 2, c 2, d 1, e 1, f 1 (held-out items are not counted).
TEST_F(FullRankingTest, PopularityOfTheValidationItems) {
  const Ranks targets = {4, 2, 2};
  expect_ranks(popular(Split::kValid, engine::SeenItems::kNone), targets, {4, 2, 2}, {1, 1, 1},
               {0, 0, 0});
  expect_ranks(popular(Split::kValid, engine::SeenItems::kWindow), targets, {2, 0, 1}, {1, 0, 0},
               {0, 1, 0});
  expect_ranks(popular(Split::kValid, engine::SeenItems::kHistory), targets, {1, 0, 1}, {1, 0, 0},
               {0, 1, 0});
}

TEST_F(FullRankingTest, PopularityOfTheTestItems) {
  const Ranks targets = {5, 3, 1};
  expect_ranks(popular(Split::kTest, engine::SeenItems::kNone), targets, {4, 2, 1}, {1, 1, 0},
               {0, 0, 0});
  expect_ranks(popular(Split::kTest, engine::SeenItems::kWindow), targets, {3, 1, 1}, {1, 0, 0},
               {0, 0, 0});
  expect_ranks(popular(Split::kTest, engine::SeenItems::kHistory), targets, {1, 1, 0}, {1, 0, 0},
               {0, 0, 1});
}

TEST_F(FullRankingTest, ABrokenModelIsNamedWithTheUser) {
  const auto retriever = test::constant_retriever({.5f, .9f, .7f, NAN, .1f, .3f}, 2);
  try {
    rank_users(*retriever, dataset_, Split::kValid, 2, engine::SeenItems::kNone, pool_);
    FAIL() << "NaN was taken";
  } catch (const DataError& error) {
    EXPECT_EQ(std::string(error.what()),
              "user 'u0': the model scores 'Title of d' with NaN; its weights are broken");
  }
}

TEST(SplitNames, AreReadAndWritten) {
  for (const Split split : {Split::kValid, Split::kTest})
    EXPECT_EQ(parse_split(split_name(split)), split);
  EXPECT_THROW(parse_split("train"), UsageError);
}

}  // namespace
}  // namespace tandem
