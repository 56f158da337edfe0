// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "learn/model.h"

namespace tandem::learn {

// One training row: a stretch of a user's training sequence and the window L it is seen through.
struct TrainingRow {
  std::span<const int32_t> items;  // of the data set, which must outlive the row
  int64_t max_length = 0;

  int64_t length() const;  // T = min(|items|, L)
};

// The authors' rows of one training sequence s: s itself when |s| < 2 L, else windows of exactly L
// items from the end backwards, without overlap; what is left at the front is dropped (and with it
// every transition between two windows).
std::vector<TrainingRow> training_rows(std::span<const int32_t> sequence, int64_t max_length);

// A row as a model is shown it: inputs, and what it should answer at each (0: nothing).
struct TrainingExample {
  std::vector<int64_t> items, labels;

  int64_t num_labels() const;
};

// Each item predicts the next. With w the row's stretch and T = min(|w|, L):
//
//   labels = last T items of w
//   items  = the items before each label; a stretch of at most L items begins with one padding
//            input (0)
//
// so a short stretch also trains its first item from nothing, as the authors' left-padded rows do.
TrainingExample next_items(const TrainingRow& row);

// Examples laid end to end on the CPU; wanted are the positions with a label.
PackedBatch pack(std::span<const TrainingExample> examples);

// Inputs alone; wanted is the last position of each row. No row may be empty.
PackedBatch pack_questions(std::span<const std::vector<int64_t>> rows);

}  // namespace tandem::learn
