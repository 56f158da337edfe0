// SPDX-License-Identifier: Apache-2.0
#include "eval/list_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "core/error.h"

namespace tandem {
namespace {

using Sequence = std::vector<int32_t>;

// Four items with 8, 4, 2, 0 training interactions over 8 users; items 1 and 2 have 12 of 14, which
// is at least 80 %, item 1 alone has not.
ItemPopularity small_popularity() {
  const std::vector<Sequence> train = {{1, 2}, {1, 2, 3}, {1}, {1, 2, 3}, {1}, {1}, {1, 2}, {1}};
  std::vector<std::span<const int32_t>> spans(train.begin(), train.end());
  spans.emplace_back();  // a user without training interactions
  return item_popularity(spans, 4);
}

std::map<std::string, ListMetric> measured(const std::vector<UserList>& lists, int64_t k) {
  ThreadPool pool(1);
  std::map<std::string, ListMetric> result;
  for (ListMetric& metric : list_metrics(lists, k, small_popularity(), {.resamples = 50}, pool))
    result[metric.name] = metric;
  return result;
}

TEST(ItemPopularity, TheShortHeadIsTheFewestItemsWithFourFifthsOfTheInteractions) {
  const ItemPopularity popularity = small_popularity();
  EXPECT_THAT(popularity.counts, testing::ElementsAre(0, 8, 4, 2, 0));
  EXPECT_THAT(popularity.long_tail, testing::ElementsAre(0, 0, 0, 1, 1));
  EXPECT_EQ(popularity.num_users, 8);
  const Sequence wrong = {5};
  const std::span<const int32_t> sequences[] = {wrong};
  EXPECT_THROW(item_popularity(sequences, 4), DataError);
}

TEST(ListMetrics, EqualHandWorkedNumbers) {
  // Shown twice: item 1; once: items 2 and 3; never: item 4. The third item is beyond k.
  const auto found = measured({{{1, 2, 4}, 1}, {{1, 3}, 3}}, 2);
  EXPECT_DOUBLE_EQ(found.at("coverage@2").value, 3.0 / 4);
  // r = 0 1 1 2: (-3 * 0 - 1 * 1 + 1 * 1 + 3 * 2) / (4 * 4)
  EXPECT_DOUBLE_EQ(found.at("Gini@2").value, 6.0 / 16);
  EXPECT_DOUBLE_EQ(found.at("entropy@2").value, 1.5);  // shares 1/2, 1/4, 1/4
  EXPECT_DOUBLE_EQ(found.at("ARP@2").value, ((8 + 4) / 2.0 + (8 + 2) / 2.0) / 2);
  EXPECT_DOUBLE_EQ(found.at("APLT@2").value, (0 + 0.5) / 2);
  EXPECT_DOUBLE_EQ(found.at("ACLT@2").value, (0 + 1) / 2.0);
  // log2(8/8) = 0, log2(8/4) = 1, log2(8/2) = 2
  EXPECT_DOUBLE_EQ(found.at("novelty@2").value, ((0 + 1) / 2.0 + (0 + 2) / 2.0) / 2);
  EXPECT_DOUBLE_EQ(found.at("PopREO@2").value, 0);  // both targets found
  EXPECT_TRUE(found.at("ARP@2").interval->contains(found.at("ARP@2").value));
  EXPECT_FALSE(found.at("Gini@2").interval.has_value());
}

TEST(ListMetrics, AnItemNeverTrainedOnHasTheSelfInformationOfOneInteraction) {
  EXPECT_DOUBLE_EQ(measured({{{4}, 0}}, 1).at("novelty@1").value, 3);
}

TEST(ListMetrics, PopReoIsTheDeviationOfHeadAndTailOverTheirMean) {
  // Head: 2 of 2 targets found; tail: 1 of 2. Mean 3/4, deviation 1/4.
  const auto found = measured({{{1}, 1}, {{2}, 2}, {{3}, 3}, {{1}, 4}}, 1);
  EXPECT_DOUBLE_EQ(found.at("PopREO@1").value, 1.0 / 3);
  EXPECT_EQ(measured({{{1}, 1}}, 1).count("PopREO@1"), 0);  // no target in the tail
}

TEST(ListMetrics, GiniIsLargestWhenOneItemAloneIsShown) {
  EXPECT_DOUBLE_EQ(measured({{{1}, 0}, {{1}, 0}}, 1).at("Gini@1").value, 3.0 / 4);
  EXPECT_DOUBLE_EQ(measured({{{1, 2}, 0}, {{3, 4}, 0}}, 2).at("Gini@2").value, 0);
}

TEST(ListMetrics, WrongListsAreRefused) {
  ThreadPool pool(1);
  const std::vector<UserList> empty = {{{}, 1}}, wrong = {{{9}, 1}}, fine = {{{1}, 1}};
  EXPECT_THROW(list_metrics(empty, 1, small_popularity(), {}, pool), DataError);
  EXPECT_THROW(list_metrics(wrong, 1, small_popularity(), {}, pool), DataError);
  EXPECT_THROW(list_metrics(fine, 0, small_popularity(), {}, pool), ShapeError);
}

}  // namespace
}  // namespace tandem
