// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "data/dataset.h"
#include "learn/distributed/process_group.h"
#include "learn/hllm/hllm.h"

namespace tandem::learn {

struct JudgedOptions {
  int64_t candidates = 20;  // K, the true item included
  int64_t max_length = 0;   // newest items of a history
  int64_t most_users = 0;   // the first so many; 0: all
  uint64_t seed = 0;
};

// Where each validation user's held-out item stands among K candidates. One that is judged as high
// is half above it, so a head that says the same of all has an AUC of 1/2.
struct JudgedRanks {
  int64_t candidates = 0;       // K
  std::vector<int64_t> halves;  // twice the number of candidates above

  // Mean share of the other candidates that the true one is above. 0 without users.
  double auc() const;
  // With ranks 1 + candidates above, rounded up.
  double ndcg(int32_t cutoff) const;
};

// The others are drawn uniformly among the items that the user's history and the true item are not,
// a pure function of (seed, user): the same in every validation. vectors [N + 1, D]. Users are
// shared among the processes; all get the same result. DataError when a user leaves too few items.
JudgedRanks judged_ranks(const Hllm& model, const at::Tensor& vectors, const Dataset& dataset,
                         const JudgedOptions& options, ProcessGroup& group);

}  // namespace tandem::learn
