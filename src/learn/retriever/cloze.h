// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "learn/retriever/objective.h"

namespace tandem::learn {

struct ClozeOptions {
  int64_t max_length = 50;
  int64_t num_items = 0;  // N; the mask is item N + 1
  uint64_t seed = 0;
  double probability = 0.25;
  int64_t most = 0;  // masks of a row; 0: no limit
};

// BERT4Rec's cloze task (Sun et al., Section 3.5), drawn as LRURec's and LlamaRec's code family
// does (github.com/GarciaLnk/LlamaRec, dataloader/bert.py). Rows as NextItem's. From the oldest
// item of a row's stretch to the newest, each is hidden with `probability` p, the last with p + 0.1
// (1 - p), unless the same item is hidden already or `most` are. What stands for a hidden item is
// the mask (80 %), any item (10 %) or itself (10 %); it is the label. A row may have no label.
//
// The stretch is then cut to its newest L items. So with a limit, hidden items crowd at the front
// of a long stretch and may all be cut away: that code has a limit of 20, here there is none unless
// one is asked for.
//
// Asked for the next item, the model sees the newest L - 1 items and the mask.
class Cloze : public TrainingObjective {
 public:
  explicit Cloze(const ClozeOptions& options);

  std::vector<TrainingRow> rows(std::span<const int32_t> sequence) const override;
  TrainingExample example(const TrainingRow& row, int64_t sample, int64_t epoch) const override;
  std::span<const int32_t> seen(std::span<const int32_t> history) const override;
  std::vector<int64_t> question(std::span<const int32_t> history) const override;

  int64_t mask() const { return options_.num_items + 1; }

 private:
  ClozeOptions options_;
};

}  // namespace tandem::learn
