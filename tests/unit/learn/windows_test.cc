// SPDX-License-Identifier: Apache-2.0
#include "learn/retriever/windows.h"

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <vector>

#include "learn/model.h"

namespace tandem::learn {
namespace {

using Items = std::vector<int32_t>;

std::vector<int64_t> to_vector(const at::Tensor& values) {
  const int64_t* data = values.const_data_ptr<int64_t>();
  return {data, data + values.numel()};
}

PackedBatch pack_rows(const std::vector<TrainingRow>& rows) {
  std::vector<TrainingExample> examples;
  for (const TrainingRow& row : rows) examples.push_back(next_items(row));
  return pack(examples);
}

TEST(TrainingRows, AShortSequenceIsOneRowThatBeginsWithPadding) {
  const Items items{7, 8, 9};
  const auto rows = training_rows(items, 3);
  ASSERT_EQ(rows.size(), 1u);
  const PackedBatch batch = pack_rows(rows);
  EXPECT_EQ(to_vector(batch.items), (std::vector<int64_t>{0, 7, 8}));
  EXPECT_EQ(to_vector(batch.labels), (std::vector<int64_t>{7, 8, 9}));
  EXPECT_EQ(to_vector(batch.row_starts), (std::vector<int64_t>{0, 3}));
}

TEST(TrainingRows, BelowTwoWindowsOnlyTheLastOneIsTrained) {
  const Items items{1, 2, 3, 4, 5};
  const PackedBatch batch = pack_rows(training_rows(items, 3));
  EXPECT_EQ(to_vector(batch.items), (std::vector<int64_t>{2, 3, 4}));
  EXPECT_EQ(to_vector(batch.labels), (std::vector<int64_t>{3, 4, 5}));
}

TEST(TrainingRows, WindowsGoFromTheEndAndDropTheRest) {
  const Items items{1, 2, 3, 4, 5, 6, 7};
  const PackedBatch batch = pack_rows(training_rows(items, 3));
  EXPECT_EQ(to_vector(batch.items), (std::vector<int64_t>{0, 5, 6, 0, 2, 3}));
  EXPECT_EQ(to_vector(batch.labels), (std::vector<int64_t>{5, 6, 7, 2, 3, 4}));
  EXPECT_EQ(to_vector(batch.row_starts), (std::vector<int64_t>{0, 3, 6}));
}

TEST(TrainingRows, AnEmptySequenceHasNone) { EXPECT_TRUE(training_rows({}, 3).empty()); }

}  // namespace
}  // namespace tandem::learn
