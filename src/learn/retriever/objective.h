// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "learn/retriever/windows.h"

namespace tandem::learn {

// What a retriever is trained on and asked: how a user's sequence becomes rows, inputs and labels.
// Whoever trains or validates a Retriever knows no more than this. Safe for concurrent use.
class TrainingObjective {
 public:
  explicit TrainingObjective(int64_t max_length) : max_length_(max_length) {}
  virtual ~TrainingObjective() = default;

  // The rows (samples) of one training sequence.
  virtual std::vector<TrainingRow> rows(std::span<const int32_t> sequence) const = 0;
  // How a row is shown in an epoch: a pure function of the arguments. `sample` is the row's number.
  virtual TrainingExample example(const TrainingRow& row, int64_t sample, int64_t epoch) const = 0;
  // Inputs of the row in any epoch.
  int64_t positions(const TrainingRow& row) const;

  // What of a history (not empty) the model sees when it is asked for the next item.
  virtual std::span<const int32_t> seen(std::span<const int32_t> history) const;
  // Its inputs then; the hidden state behind the last one scores the items.
  virtual std::vector<int64_t> question(std::span<const int32_t> history) const;

  int64_t max_length() const { return max_length_; }

 private:
  int64_t max_length_;
};

// Every item of a row predicts the next one, all positions at once: LRURec and SASRec.
class NextItem : public TrainingObjective {
 public:
  using TrainingObjective::TrainingObjective;

  std::vector<TrainingRow> rows(std::span<const int32_t> sequence) const override;
  TrainingExample example(const TrainingRow& row, int64_t sample, int64_t epoch) const override;
};

// Every prefix of a sequence is a row of its own, seen through its newest L items, and predicts the
// item behind it: NARM. A sequence of n items has n - 1 rows. Up to L items the sum of all losses
// is that of all positions at once, but a step takes its prefixes from many users.
class NextOfPrefix : public TrainingObjective {
 public:
  using TrainingObjective::TrainingObjective;

  std::vector<TrainingRow> rows(std::span<const int32_t> sequence) const override;
  TrainingExample example(const TrainingRow& row, int64_t sample, int64_t epoch) const override;
};

}  // namespace tandem::learn
