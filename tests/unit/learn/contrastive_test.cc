// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "core/error.h"
#include "learn/contrastive/negatives.h"
#include "learn/contrastive/user_chunks.h"

namespace tandem::learn {
namespace {

using Items = std::vector<int32_t>;

// A user of `count` items 1, 2, ... at times 10, 20, ...
struct User {
  explicit User(int64_t count, int64_t user = 0) : items(count), times(count), number(user) {
    std::iota(items.begin(), items.end(), 1);
    for (int64_t t = 0; t < count; ++t) times[t] = 10 * (t + 1);
  }
  UserSequence sequence() const { return {number, items, times}; }

  Items items;
  std::vector<int64_t> times;
  int64_t number;
};

Items items_of(const UserSequence& sample) { return {sample.items.begin(), sample.items.end()}; }

TEST(UserChunks, AreCutFromTheEndAndTheFrontIsDropped) {
  const User user(8);
  const auto chunks = user_chunks(std::vector{user.sequence()}, 2, true);
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(items_of(chunks[0]), (Items{3, 4, 5}));
  EXPECT_EQ(items_of(chunks[1]), (Items{6, 7, 8}));
  EXPECT_EQ(chunks[1].times[0], 60);
}

TEST(UserChunks, ShortSequencesAreOneSample) {
  const User full(3), single(1), none(0);
  const auto chunks =
      user_chunks(std::vector{full.sequence(), single.sequence(), none.sequence()}, 2, true);
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(items_of(chunks[0]), (Items{1, 2, 3}));
  EXPECT_EQ(items_of(chunks[1]), (Items{1}));
}

TEST(UserChunks, UnsplitSequencesStayWhole) {
  const User user(8);
  const auto chunks = user_chunks(std::vector{user.sequence()}, 2, false);
  ASSERT_EQ(chunks.size(), 1u);
  EXPECT_EQ(chunks[0].items.size(), 8u);
}

TEST(DrawRow, NegativesAreOfNoSampleItemAndAFunctionOfTheirKey) {
  const User user(8);
  const NegativeOptions options{.num_items = 11, .max_length = 4, .seed = 5};
  const ContrastiveRow row = draw_row(user.sequence(), options, 17, 3);
  EXPECT_EQ(items_of(row.shown), (Items{4, 5, 6, 7, 8}));
  EXPECT_EQ(row.num_transitions(), 4);
  EXPECT_EQ(row.negatives.size(), 4u);
  EXPECT_TRUE(row.padding.empty());
  std::set<int32_t> seen;
  for (int64_t epoch = 0; epoch < 20; ++epoch)
    for (const int32_t item : draw_row(user.sequence(), options, 17, epoch).negatives)
      seen.insert(item);
  EXPECT_EQ(seen, (std::set<int32_t>{9, 10, 11}));
  EXPECT_EQ(draw_row(user.sequence(), options, 17, 3).negatives, row.negatives);
}

TEST(DrawRow, AFixedNumberHasRowsWithoutATransitionToo) {
  const User single(1);
  NegativeOptions options{.num_items = 5, .max_length = 4};
  EXPECT_TRUE(draw_row(single.sequence(), options, 0, 0).negatives.empty());
  options.per_row = 3;
  EXPECT_EQ(draw_row(single.sequence(), options, 0, 0).negatives.size(), 3u);
}

TEST(DrawRow, ThrowsWhereNoItemIsLeft) {
  const User user(8);
  EXPECT_THROW(draw_row(user.sequence(), {.num_items = 8, .max_length = 4}, 0, 0), DataError);
}

CompatLoader::Options compat_options() {
  CompatLoader::Options options;
  options.num_items = 30;
  options.max_length = 4;
  options.seed = 2020;
  options.batch = 2;
  options.workers = 2;
  return options;
}

// A resumed training asks for batches from the middle; another process, in another order.
TEST(CompatLoader, BatchesDoNotDependOnWhatWasAskedBefore) {
  std::vector<User> users;
  for (int64_t i = 0; i < 12; ++i) users.emplace_back(1 + i % 7, i);
  std::vector<UserSequence> samples;
  for (const User& user : users) samples.push_back(user.sequence());
  CompatLoader forward(samples, compat_options());
  std::vector<Items> wanted;
  for (int64_t b = 0; b < forward.num_batches(); ++b)
    for (const ContrastiveRow& row : forward.batch(1, b)) wanted.push_back(row.negatives);
  ASSERT_EQ(wanted.size(), samples.size());
  CompatLoader backward(samples, compat_options());
  for (int64_t b = backward.num_batches() - 1; b >= 0; --b) {
    const auto rows = backward.batch(1, b);
    for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i].negatives, wanted[2 * b + i]);
  }
}

TEST(CompatLoader, RowsAreFullAndShortOnesPaddedWithOtherItems) {
  const User user(3);
  const std::vector<UserSequence> samples{user.sequence()};
  CompatLoader loader(samples, compat_options());
  const auto rows = loader.batch(0, 0);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].padding.size(), 2u);
  EXPECT_EQ(rows[0].negatives.size(), 5u);
  for (const int32_t item : rows[0].padding) EXPECT_GT(item, 3);
}

TEST(CompatLoader, RefusesWhatWouldDrawForEver) {
  const User user(5);
  const std::vector<UserSequence> samples{user.sequence()};
  CompatLoader::Options options = compat_options();
  options.num_items = 5;
  CompatLoader loader(samples, options);
  EXPECT_THROW(loader.batch(0, 0), DataError);
  options.batch = 0;
  EXPECT_THROW(CompatLoader(samples, options), ConfigError);
}

}  // namespace
}  // namespace tandem::learn
