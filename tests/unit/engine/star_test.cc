// SPDX-License-Identifier: Apache-2.0
#include "engine/star/star.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "core/error.h"
#include "core/rng.h"
#include "support/random_values.h"

namespace tandem::engine {
namespace {

constexpr int64_t kItems = 40, kWidth = 5;

// Random vectors and co-occurrences, item 7 without either, and the equation once more, in double.
struct Sample {
  explicit Sample(StarConfig config_ = {}) : config(config_), vectors(kItems + 1, kWidth) {
    vectors.values = test::random_values((kItems + 1) * kWidth, 3);
    std::fill_n(vectors.row(7), kWidth, 0.0f);
    Rng rng(5);
    std::vector<int64_t> ends;
    std::vector<int32_t> items;
    std::vector<float> similarities;
    for (int32_t item = 1; item <= kItems; ++item) {
      for (int32_t other = 1; other <= kItems; ++other) {
        if (item == 7 || other == 7 || (item != other && rng.below(4) != 0)) continue;
        const auto value = static_cast<float>(1 + rng.below(8)) / 8;
        items.push_back(other);
        similarities.push_back(value);
        similarity[{other, item}] = value;
      }
      ends.push_back(std::ssize(items));
    }
    model = std::make_unique<Star>(config, ItemVectors(vectors),
                                   Cooccurrence(ends, items, similarities));
  }

  double cosine(int64_t a, int64_t b) const {
    double dot = 0, aa = 0, bb = 0;
    for (int64_t d = 0; d < kWidth; ++d) {
      const double x = vectors.row(a)[d], y = vectors.row(b)[d];
      dot += x * y;
      aa += x * x;
      bb += y * y;
    }
    return aa * bb > 0 ? dot / std::sqrt(aa * bb) : 0;
  }
  double score(int32_t item, const std::vector<int32_t>& history) const {
    const auto n = std::min(std::ssize(history), static_cast<std::ptrdiff_t>(config.length));
    double sum = 0;
    for (int64_t age = 0; age < n; ++age) {
      const int32_t seen = history[history.size() - 1 - static_cast<size_t>(age)];
      const auto pair = similarity.find({item, seen});
      sum += std::pow(config.recency, static_cast<double>(age)) *
             (config.semantic_weight * cosine(item, seen) +
              (1 - config.semantic_weight) * (pair == similarity.end() ? 0 : pair->second));
    }
    return n > 0 ? sum / static_cast<double>(n) : 0;
  }

  StarConfig config;
  Matrix vectors;
  std::map<std::pair<int32_t, int32_t>, double> similarity;
  std::unique_ptr<Star> model;
};

const std::vector<std::vector<int32_t>> kRows = {
    {}, {3}, {7}, {12, 40}, {1, 2, 3, 4, 5, 6}, {9, 9, 9}, {31, 7, 8, 8, 20, 21, 40, 5}};

std::vector<History> histories() { return std::vector<History>(kRows.begin(), kRows.end()); }

TEST(Star, ScoresAreTheEquation) {
  ThreadPool pool(2);
  for (const StarConfig& config : {StarConfig{}, StarConfig{.semantic_weight = 1, .length = 5},
                                   StarConfig{.semantic_weight = 0, .recency = 1, .length = 2},
                                   StarConfig{.semantic_weight = 0.25, .recency = 0}}) {
    SCOPED_TRACE(config.to_json().dump());
    const Sample sample(config);
    const std::vector<float> found = sample.model->score(histories(), SeenItems::kNone, pool);
    for (size_t r = 0; r < kRows.size(); ++r) {
      EXPECT_EQ(found[r * (kItems + 1)], kExcludedScore);
      for (int32_t item = 1; item <= kItems; ++item)
        EXPECT_NEAR(found[r * (kItems + 1) + item], sample.score(item, kRows[r]), 1e-6)
            << "history " << r << ", item " << item;
    }
  }
}

TEST(Star, ListsAndRanksAreThoseOfTheScores) {
  const Sample sample;
  ThreadPool one(1), two(2);
  const std::vector<int32_t> targets = {1, 4, 8, 7, 39, 2, 3};
  const TopKAndRank found =
      sample.model->top_k_and_rank(histories(), 5, targets, SeenItems::kHistory, two);
  const std::vector<float> scores = sample.model->score(histories(), SeenItems::kHistory, two);
  for (size_t r = 0; r < kRows.size(); ++r) {
    const auto row = std::span(scores).subspan(r * (kItems + 1), kItems + 1);
    const float target = row[targets[r]];
    const auto better = std::ranges::count_if(row, [&](float score) { return score > target; });
    EXPECT_EQ(found.ranks[r].score, target);
    EXPECT_EQ(found.ranks[r].rank, target == kExcludedScore ? 0 : better + 1);
    ASSERT_EQ(found.top[r].size(), 5u);
    EXPECT_EQ(found.top[r][0].score, *std::ranges::max_element(row));
  }
  const TopKAndRank again =
      sample.model->top_k_and_rank(histories(), 5, targets, SeenItems::kHistory, one);
  EXPECT_EQ(again.top, found.top);
  EXPECT_EQ(again.ranks, found.ranks);
  for (size_t r = 0; r < kRows.size(); ++r) {  // alone as among others
    const History history(kRows[r]);
    EXPECT_EQ(sample.model->top_k({&history, 1}, 5, SeenItems::kHistory, one)[0], found.top[r]);
  }
}

// Though three items count, the model sees them all.
TEST(Star, WindowExcludesTheWholeHistory) {
  const Sample sample;
  ThreadPool pool(1);
  EXPECT_EQ(sample.model->score(histories(), SeenItems::kWindow, pool),
            sample.model->score(histories(), SeenItems::kHistory, pool));
}

TEST(Star, UnknownItemsAreSkipped) {
  const Sample sample;
  std::vector<uint8_t> known(kItems + 1, 1);
  known[8] = 0;
  const Star model(sample.config, ItemVectors(sample.vectors),
                   Cooccurrence(std::vector<int64_t>(kItems, 0), {}, {}), known);
  ThreadPool pool(1);
  const std::vector<int32_t> with = {3, 4, 8, 5, 8}, without = {3, 4, 5};
  const History rows[] = {with, without};
  const std::vector<float> scores = model.score(rows, SeenItems::kNone, pool);
  EXPECT_EQ(scores[8], kExcludedScore);
  EXPECT_TRUE(std::equal(scores.begin(), scores.begin() + kItems + 1, scores.begin() + kItems + 1));
}

TEST(Star, RefusesParts) {
  const Matrix vectors(4, 2);
  EXPECT_THROW(Star(StarConfig{}, ItemVectors(vectors), Cooccurrence({0, 0}, {}, {})), ShapeError);
  const std::vector<int32_t> outside = {4};
  const History history(outside);
  const Star model(StarConfig{}, ItemVectors(vectors), Cooccurrence({0, 0, 0}, {}, {}));
  ThreadPool pool(1);
  EXPECT_THROW(model.score({&history, 1}, SeenItems::kNone, pool), DataError);
}

}  // namespace
}  // namespace tandem::engine
