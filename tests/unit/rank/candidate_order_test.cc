// SPDX-License-Identifier: Apache-2.0
#include "rank/candidate_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/error.h"

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
  EXPECT_EQ(one.candidates[one.answer], 8);
  sample.user = 4;
  EXPECT_NE(one.candidates, shuffled(sample, 5).candidates);
}

}  // namespace
}  // namespace tandem
