// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "learn/contrastive/negatives.h"

namespace tandem::learn {

struct SampleOptions {
  int64_t max_length = 0;  // L, inputs of a row at most
  bool split = true;       // cut long sequences into rows; false: the newest items alone
  int64_t negatives = 0;   // a row; 0: one a transition
  int64_t negatives_a_transition = 0;  // instead: so many for each; 0: by the row
  bool compat = false;                 // the authors' order, padding and random numbers
  int64_t rows_a_step = 0;
  UserFolds folds = {};
  uint64_t seed = 0;
};

// A data set's rows for a contrastive training: user_chunks() with negatives drawn anew in every
// epoch. Rows without a transition are left out, but for compat, where their negatives count. Not
// for concurrent use. The data set must outlive it.
class ContrastiveSamples {
 public:
  ContrastiveSamples(const Dataset& dataset, const SampleOptions& options);

  int64_t size() const { return std::ssize(samples_); }
  // Items that a row shows.
  int64_t num_items(int64_t sample) const;
  // The order of an epoch where it is not the trainer's (compat).
  std::optional<std::vector<int64_t>> order(int64_t epoch) const;
  // The rows of a step's samples; `step` counts from the beginning of training. With compat, samples
  // that are not that step of the order (somebody tries one out) are drawn as without.
  std::vector<ContrastiveRow> rows(std::span<const int64_t> samples, int64_t epoch,
                                   int64_t step) const;
  // SHA-256 of the first epoch's rows, negatives included: equal where two trainings draw the same.
  std::string first_epoch() const;

 private:
  bool is_step(std::span<const int64_t> samples, int64_t epoch, int64_t step) const;

  SampleOptions options_;
  NegativeOptions negatives_;
  std::vector<UserSequence> samples_;
  std::unique_ptr<CompatLoader> loader_;
};

}  // namespace tandem::learn
