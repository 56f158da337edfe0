// SPDX-License-Identifier: Apache-2.0
#include "eval/popularity.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/error.h"

namespace tandem {
namespace {

TEST(Popularity, CountsTrainingInteractions) {
  const std::vector<int32_t> a = {1, 3, 3}, b = {}, c = {3, 1, 0};
  const std::vector<std::span<const int32_t>> sequences = {a, b, c};
  EXPECT_EQ(popularity_scores(sequences, 4), (std::vector<float>{0, 2, 0, 3, 0}));
}

TEST(Popularity, RefusesItemsOutsideTheSet) {
  const std::vector<int32_t> a = {1, 5}, b = {-1};
  EXPECT_THROW(popularity_scores(std::vector<std::span<const int32_t>>{a}, 4), DataError);
  EXPECT_THROW(popularity_scores(std::vector<std::span<const int32_t>>{b}, 4), DataError);
}

}  // namespace
}  // namespace tandem
