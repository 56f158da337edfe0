// SPDX-License-Identifier: Apache-2.0
#include "learn/retriever/objective.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "learn/retriever/cloze.h"

namespace tandem::learn {
namespace {

using Items = std::vector<int32_t>;
using Ids = std::vector<int64_t>;

Ids to_vector(const at::Tensor& values) {
  const int64_t* data = values.const_data_ptr<int64_t>();
  return {data, data + values.numel()};
}

Items one_to(int32_t count) {
  Items items(static_cast<size_t>(count));
  std::iota(items.begin(), items.end(), 1);
  return items;
}

TEST(NextOfPrefix, EveryPrefixPredictsTheItemBehindIt) {
  const Items items{7, 8, 9, 5};
  const NextOfPrefix objective(2);
  const auto rows = objective.rows(items);
  ASSERT_EQ(rows.size(), 3u);
  const Ids inputs[] = {{7}, {7, 8}, {8, 9}}, labels[] = {{8}, {0, 9}, {0, 5}};
  std::vector<TrainingExample> examples;
  for (size_t i = 0; i < rows.size(); ++i) {
    examples.push_back(objective.example(rows[i], static_cast<int64_t>(i), 0));
    EXPECT_EQ(examples[i].items, inputs[i]);
    EXPECT_EQ(examples[i].labels, labels[i]);
    EXPECT_EQ(examples[i].num_labels(), 1);
  }
  const PackedBatch batch = pack(examples);
  EXPECT_EQ(to_vector(batch.row_starts), (Ids{0, 1, 3, 5}));
  EXPECT_EQ(to_vector(batch.wanted), (Ids{0, 2, 4}));
  EXPECT_EQ(to_vector(batch.at_wanted(batch.labels)), (Ids{8, 9, 5}));
  EXPECT_TRUE(objective.rows(Items{7}).empty());
  EXPECT_EQ(objective.question(items), (Ids{9, 5}));
}

TEST(NextItem, WantsEveryPosition) {
  const Items items{7, 8, 9};
  const NextItem objective(5);
  const TrainingExample example[] = {objective.example(objective.rows(items)[0], 0, 0)};
  EXPECT_FALSE(pack(example).wanted.defined());
  EXPECT_EQ(objective.question(items), (Ids{7, 8, 9}));
}

TEST(Questions, WantTheLastPositionOfEachRow) {
  const PackedBatch batch = pack_questions(std::vector<Ids>{{3}, {4, 5}});
  EXPECT_EQ(to_vector(batch.items), (Ids{3, 4, 5}));
  EXPECT_EQ(to_vector(batch.wanted), (Ids{0, 2}));
}

TEST(Cloze, AnswersAtTheMaskBehindTheNewestItems) {
  const Cloze objective({.max_length = 3, .num_items = 20});
  EXPECT_EQ(objective.question(Items{7, 8, 9}), (Ids{8, 9, 21}));
  EXPECT_EQ(objective.seen(Items{7, 8, 9}).size(), 2u);
  EXPECT_EQ(objective.question(Items{7}), (Ids{7, 21}));
}

TEST(Cloze, DrawsAreAFunctionOfSeedEpochAndSample) {
  const Items items = one_to(40);
  const auto draw = [&](uint64_t seed, int64_t sample, int64_t epoch) {
    const Cloze objective({.max_length = 40, .num_items = 50, .seed = seed});
    return objective.example(objective.rows(items)[0], sample, epoch).items;
  };
  EXPECT_EQ(draw(1, 2, 3), draw(1, 2, 3));
  EXPECT_NE(draw(1, 2, 3), draw(2, 2, 3));
  EXPECT_NE(draw(1, 2, 3), draw(1, 3, 3));
  EXPECT_NE(draw(1, 2, 3), draw(1, 2, 4));
}

// 20,000 rows of four items: the frequencies of the reference's rule, each within 5 deviations.
TEST(Cloze, HidesAsOftenAsItShould) {
  const Items items{11, 12, 13, 14};
  const Cloze objective({.max_length = 4, .num_items = 1000, .seed = 5});
  const TrainingRow row = objective.rows(items)[0];
  constexpr int kRows = 20000;
  int first = 0, last = 0, masked = 0, replaced = 0, kept = 0;
  for (int sample = 0; sample < kRows; ++sample) {
    const TrainingExample example = objective.example(row, sample, 0);
    for (size_t i = 0; i < 4; ++i) {
      if (example.labels[i] == 0) {
        EXPECT_EQ(example.items[i], items[i]);
        continue;
      }
      EXPECT_EQ(example.labels[i], items[i]);
      first += i == 0;
      last += i == 3;
      masked += example.items[i] == objective.mask();
      kept += example.items[i] == items[i];
      replaced += example.items[i] != objective.mask() && example.items[i] != items[i];
      EXPECT_GE(example.items[i], 1);
    }
  }
  const auto expect_share = [](int found, int of, double share) {
    EXPECT_NEAR(found, of * share, 5 * std::sqrt(of * share * (1 - share)));
  };
  const int all = masked + replaced + kept;
  expect_share(first, kRows, 0.25);
  expect_share(last, kRows, 0.25 + 0.1 * 0.75);
  expect_share(masked, all, 0.8);
  expect_share(replaced, all, 0.1 * 0.999);
  expect_share(kept, all, 0.1 + 0.1 * 0.001);
}

TEST(Cloze, HidesAnItemOnceAndNoMoreThanTheLimit) {
  const Items repeated{5, 5, 5, 5, 5, 5, 5, 5};
  const Cloze often({.max_length = 8, .num_items = 9, .probability = 0.9});
  EXPECT_EQ(often.example(often.rows(repeated)[0], 0, 0).num_labels(), 1);

  const Items items = one_to(100);
  const Cloze limited({.max_length = 100, .num_items = 100, .probability = 0.9, .most = 7});
  const TrainingExample example = limited.example(limited.rows(items)[0], 0, 0);
  EXPECT_EQ(example.num_labels(), 7);
  EXPECT_TRUE(std::all_of(example.labels.begin() + 20, example.labels.end(),
                          [](int64_t label) { return label == 0; }));
}

// With a limit, the reference hides the front of a stretch and then cuts it away.
TEST(Cloze, ALimitMayLeaveALongStretchWithoutLabels) {
  const Items items = one_to(59);
  const ClozeOptions options{.max_length = 30, .num_items = 60, .probability = 0.9, .most = 5};
  const Cloze limited(options);
  const TrainingExample example = limited.example(limited.rows(items)[0], 0, 0);
  EXPECT_EQ(example.items.size(), 30u);
  EXPECT_EQ(example.num_labels(), 0);
  EXPECT_EQ(limited.positions(limited.rows(items)[0]), 30);
  const TrainingExample packed[] = {example};
  EXPECT_EQ(pack(packed).wanted.numel(), 0);
}

}  // namespace
}  // namespace tandem::learn
