// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/python_random.h"
#include "learn/contrastive/user_chunks.h"

namespace tandem::learn {

// One row of a contrastive batch: k items, each the target of the item before it, and what they are
// told apart from.
struct ContrastiveRow {
  UserSequence shown;              // the sample's last L + 1 items at most, never empty
  std::vector<int32_t> padding;    // compat alone: the L + 1 - k random items on the left
  std::vector<int32_t> negatives;  // item ids, 1..N

  int64_t num_transitions() const { return std::ssize(shown.items) - 1; }
};

struct NegativeOptions {
  int64_t num_items = 0;   // N
  int64_t max_length = 0;  // L
  // Negatives of each row; 0: as many as it has transitions. The authors' num_negatives n is
  // ceil(n / (processes * batch)) a row.
  int64_t per_row = 0;
  // Instead, of draw_row() alone: so many of each transition, those of the first first; 0: by the
  // row.
  int64_t per_transition = 0;
  uint64_t seed = 0;
};

// A row without padding. Its negatives are uniform over the items that the sample does not have,
// with repeats: a pure function of (seed, epoch, sample's number). Throws DataError when the sample
// has all items. Safe to call concurrently.
ContrastiveRow draw_row(const UserSequence& sample, const NegativeOptions& options, int64_t number,
                        int64_t epoch);

// The authors' loader of one process, bit for bit: torch.randperm shuffles an epoch's samples with
// the epoch as seed; batch b is made by worker b mod `workers`, whose Python generator starts every
// epoch from seed + worker; a sample of k items draws
//
//   1. k - 1 negatives, each again while the sample has it
//   2. L + 1 - k items to pad the row with, each again while the sample has it
//   3. by default, items that pad the negatives on the left to L + 1, each again while it is one of
//      them; with per_row, that many negatives anew, and those of 1 are dropped
//
// Rows of a longer, unsplit sample keep the newest L + 1 items and negatives.
class CompatLoader {
 public:
  struct Options : NegativeOptions {
    int64_t batch = 8;
    int workers = 11;
    // What negatives drawn anew avoid: nothing (the text model), or the padded row (the loader of
    // the ID models, who do not use these negatives).
    bool avoid_row = false;
  };
  // samples must outlive the loader. ConfigError for counts below 1.
  CompatLoader(std::span<const UserSequence> samples, const Options& options);

  int64_t num_batches() const;
  // Which samples an epoch takes, in order; batch b has order[b * batch] and on. Valid until
  // another epoch is asked for.
  const std::vector<int64_t>& order(int64_t epoch);
  // The rows of a batch. In ascending order each batch is drawn once; for an earlier one its
  // worker's draws are repeated from the epoch's start. DataError when a sample has all items.
  std::vector<ContrastiveRow> batch(int64_t epoch, int64_t number);

 private:
  struct Worker {
    PythonRandom random;
    int64_t next;  // the batch that it draws next
  };
  void begin(int64_t epoch);
  Worker fresh_worker(int64_t worker) const;
  int32_t draw_item(PythonRandom& random, std::span<const int32_t> avoided) const;
  ContrastiveRow draw(PythonRandom& random, const UserSequence& sample) const;

  std::span<const UserSequence> samples_;
  Options options_;
  int64_t epoch_ = -1;
  std::vector<int64_t> order_;  // of epoch_
  std::vector<Worker> workers_;
};

}  // namespace tandem::learn
