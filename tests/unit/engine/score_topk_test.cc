// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/score_topk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "core/rng.h"
#include "support/random_values.h"

namespace tandem::engine {
namespace {

using test::random_values;

// A problem with its data, small integers where ties shall occur.
struct Case {
  Case(int64_t rows, int64_t items, int64_t width, bool ties)
      : hidden(random_values(rows * width, 1)) {
    table = random_values((items + 1) * width, 2);
    bias = random_values(items + 1, 3);
    if (ties)
      for (std::vector<float>* values : {&hidden, &table, &bias})
        for (float& value : *values) value = std::round(value);
    Rng rng(4);
    lists.resize(rows);
    for (auto& list : lists)
      for (int i = 0; i < 7; ++i) list.push_back(static_cast<int32_t>(1 + rng.below(items)));
    for (auto& list : lists) spans.emplace_back(list);
    for (int64_t row = 0; row < rows; ++row)
      targets.push_back(static_cast<int32_t>(1 + rng.below(items)));
    problem = {.hidden = hidden.data(),
               .rows = rows,
               .width = width,
               .table = table.data(),
               .bias = bias.data(),
               .num_items = items,
               .excluded = spans};
  }

  double score(int64_t row, int64_t item) const {
    if (item == 0) return -1e9;
    for (const int32_t excluded : lists[row])
      if (excluded == item) return -1e9;
    double sum = bias[item];
    for (int64_t d = 0; d < problem.width; ++d)
      sum += double{hidden[row * problem.width + d]} * table[item * problem.width + d];
    return sum;
  }

  std::vector<float> hidden, table, bias;
  std::vector<std::vector<int32_t>> lists;
  std::vector<std::span<const int32_t>> spans;
  std::vector<int32_t> targets;
  ScoreProblem problem;
};

TEST(ScoreTopK, EqualsSortingAllScoresForOddSizes) {
  for (const auto& [rows, items, width] :
       {std::array<int64_t, 3>{1, 9, 3}, {7, 600, 64}, {245, 1100, 17}, {5, 5000, 32}}) {
    SCOPED_TRACE(testing::Message() << rows << " rows, " << items << " items, width " << width);
    const Case c(rows, items, width, true);
    ThreadPool pool(2);
    const TopKAndRank found = score_topk_and_rank(c.problem, 20, c.targets, pool);
    for (int64_t row = 0; row < rows; ++row) {
      std::vector<std::pair<double, int64_t>>
          all;  // integers: double sums are exact, ties included
      for (int64_t item = 0; item <= items; ++item) all.emplace_back(-c.score(row, item), item);
      const double target = c.score(row, c.targets[row]);
      int64_t greater = 0, equal = -1;
      for (const auto& [negative, item] : all) {
        greater += -negative > target;
        equal += -negative == target;
      }
      const bool excluded = target == -1e9;
      EXPECT_EQ(found.ranks[row].excluded, excluded);
      EXPECT_EQ(found.ranks[row].rank, excluded ? 0 : greater + 1);
      EXPECT_EQ(found.ranks[row].equal, excluded ? 0 : equal);
      EXPECT_EQ(found.ranks[row].score, static_cast<float>(target));
      std::ranges::sort(all);
      std::erase_if(all, [](const auto& entry) { return entry.first == 1e9; });
      ASSERT_EQ(found.top[row].size(), std::min<size_t>(20, all.size()));
      for (size_t i = 0; i < found.top[row].size(); ++i) {
        EXPECT_EQ(found.top[row][i].item, all[i].second) << "row " << row << " place " << i;
        EXPECT_EQ(found.top[row][i].score, -all[i].first);
      }
    }
  }
}

// Terms come after product and bias, one after the other, and before what is excluded.
TEST(ScoreTopK, SparseTermsAreAdded) {
  const Case c(7, 1100, 17, true);
  const std::vector<int32_t> few = {1, 511, 512, 513, 1100}, all_items = [] {
    std::vector<int32_t> items(1100);
    std::iota(items.begin(), items.end(), 1);
    return items;
  }();
  const std::vector<float> ones = {1, 2, 3, 4, 5}, values = random_values(1100, 9);
  std::vector<std::vector<SparseTerm>> added(7);
  for (size_t row = 1; row < 7; ++row) {
    added[row].push_back({0.5f, few, ones});
    if (row > 3) added[row].push_back({-3, all_items, values});
  }
  ScoreProblem problem = c.problem;
  problem.added = added;
  ThreadPool one(1), two(2);
  const std::vector<float> plain = score_all(c.problem, two), scores = score_all(problem, two);
  std::vector<float> wanted = plain;
  for (int64_t row = 1; row < 7; ++row)
    for (int64_t item = 1; item <= 1100; ++item) {
      float& score = wanted[row * 1101 + item];
      if (score == kExcludedScore) continue;
      const auto place = std::ranges::find(few, item) - few.begin();
      if (place < 5) score += 0.5f * ones[place];
      if (row > 3) score += -3 * values[item - 1];
    }
  EXPECT_EQ(scores, wanted);

  const TopKAndRank found = score_topk_and_rank(problem, 10, c.targets, two);
  EXPECT_EQ(score_topk_and_rank(problem, 10, c.targets, one).top, found.top);
  for (int64_t row = 0; row < 7; ++row) {
    const auto begin = wanted.begin() + row * 1101, end = begin + 1101;
    const float target = begin[c.targets[row]];
    EXPECT_EQ(found.ranks[row].score, target);
    EXPECT_EQ(found.ranks[row].rank,
              target == kExcludedScore ? 0 : 1 + std::count_if(begin, end, [&](float score) {
                                               return score > target;
                                             }));
    EXPECT_EQ(found.top[row][0].score, *std::max_element(begin, end));
    EXPECT_EQ(begin[found.top[row][9].item], found.top[row][9].score);
  }
  problem.added = std::span(added).first(6);
  EXPECT_THROW(score_all(problem, one), ShapeError);
}

TEST(ScoreTopK, BitsDependOnNeitherThreadsNorBatchNorPacking) {
  const Case c(250, 5000, 64, false);
  ThreadPool one(1), two(2);
  const TopKAndRank want = score_topk_and_rank(c.problem, 10, c.targets, one);
  const TopKAndRank threads = score_topk_and_rank(c.problem, 10, c.targets, two);
  EXPECT_EQ(threads.top, want.top);
  EXPECT_EQ(threads.ranks, want.ranks);

  const PackedMatrix packed(c.table.data(), 5001, 64, 64);
  ScoreProblem p = c.problem;
  p.table = nullptr;
  p.packed = &packed;
  const TopKAndRank from_packed = score_topk_and_rank(p, 10, c.targets, two);
  EXPECT_EQ(from_packed.top, want.top);
  EXPECT_EQ(from_packed.ranks, want.ranks);

  for (const int64_t row : {0, 131, 249}) {
    ScoreProblem alone = c.problem;
    alone.hidden += row * 64;
    alone.rows = 1;
    alone.excluded = std::span(c.spans).subspan(row, 1);
    const TopKAndRank found =
        score_topk_and_rank(alone, 10, std::span(c.targets).subspan(row, 1), two);
    EXPECT_EQ(found.top[0], want.top[row]);
    EXPECT_EQ(found.ranks[0], want.ranks[row]);
  }
}

TEST(ScoreTopK, TheTargetsScoreHasTheBitsOfTheFullTable) {
  const Case c(40, 700, 64, false);
  ThreadPool pool(1);
  const std::vector<float> all = score_all(c.problem, pool);
  const std::vector<TargetRank> ranks = score_rank(c.problem, c.targets, pool);
  for (int64_t row = 0; row < 40; ++row) {
    EXPECT_EQ(ranks[row].score, all[row * 701 + c.targets[row]]);
    EXPECT_NEAR(all[row * 701 + 350], c.score(row, 350), 1e-4);
  }
}

TEST(ScoreTopK, ThePaddingItemMayCompeteWhereAsked) {
  const float hidden = 1, table[3] = {5, 1, 2};
  ScoreProblem problem{.hidden = &hidden, .rows = 1, .width = 1, .table = table, .num_items = 2};
  ThreadPool pool(1);
  EXPECT_EQ(score_topk(problem, 5, pool)[0], (std::vector<ScoredItem>{{2, 2}, {1, 1}}));
  problem.exclude_padding = false;
  EXPECT_EQ(score_topk(problem, 5, pool)[0], (std::vector<ScoredItem>{{0, 5}, {2, 2}, {1, 1}}));
  EXPECT_EQ(score_rank(problem, std::vector<int32_t>{2}, pool)[0], (TargetRank{2, 2, 0}));
}

TEST(ScoreTopK, AnExcludedTargetHasNoRankAndNoEquals) {
  const float hidden = 1, table[4] = {0, 3, 1, 2};
  const std::vector<int32_t> seen = {1};
  const std::span<const int32_t> excluded[1] = {seen};
  const ScoreProblem problem{.hidden = &hidden,
                             .rows = 1,
                             .width = 1,
                             .table = table,
                             .num_items = 3,
                             .excluded = excluded};
  ThreadPool pool(1);
  EXPECT_EQ(score_rank(problem, std::vector<int32_t>{1}, pool)[0], (TargetRank{-1e9f, 0, 0, true}));
  EXPECT_EQ(score_rank(problem, std::vector<int32_t>{2}, pool)[0], (TargetRank{1, 2, 0, false}));
  EXPECT_EQ(score_rank(problem, std::vector<int32_t>{0}, pool)[0], (TargetRank{-1e9f, 0, 0, true}));
}

TEST(ScoreTopK, WrongShapesAreErrors) {
  const Case c(2, 5, 3, false);
  ThreadPool pool(1);
  EXPECT_THROW(score_rank(c.problem, std::vector<int32_t>{1}, pool), ShapeError);
  EXPECT_THROW(score_rank(c.problem, std::vector<int32_t>{1, 6}, pool), ShapeError);
  ScoreProblem p = c.problem;
  p.excluded = p.excluded.subspan(1);
  EXPECT_THROW(score_topk(p, 3, pool), ShapeError);
}

}  // namespace
}  // namespace tandem::engine
