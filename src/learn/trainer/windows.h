// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "learn/model.h"

namespace tandem {

// One training row: a stretch of a user's training sequence and the window L it is seen through.
// With w the stretch and T = min(|w|, L):
//
//   labels = last T items of w
//   inputs = the items before each label; a stretch of at most L items begins with one padding
//   input (0)
//
// so a short stretch also trains its first item from nothing, as the authors' left-padded rows do.
struct TrainingRow {
  std::span<const int32_t> items;  // of the data set, which must outlive the row
  int64_t max_length = 0;

  int64_t length() const;  // T
  int64_t num_labels() const { return length(); }
};

// The authors' rows of one training sequence s: s itself when |s| < 2 L, else windows of exactly L
// items from the end backwards, without overlap; what is left at the front is dropped (and with it
// every transition between two windows).
std::vector<TrainingRow> training_rows(std::span<const int32_t> sequence, int64_t max_length);

// Rows laid end to end on the CPU.
PackedBatch pack_rows(std::span<const TrainingRow> rows);

// Inputs alone, the last max_length items of each history (none may be empty); labels are 0.
PackedBatch pack_histories(std::span<const std::span<const int32_t>> histories, int64_t max_length);

}  // namespace tandem
