// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/thread_pool.h"
#include "data/dataset.h"
#include "data/folds.h"
#include "learn/distributed/process_group.h"
#include "learn/model.h"
#include "learn/retriever/objective.h"

namespace tandem::learn {

struct ValidationOptions {
  // False, the authors' way in training: nothing is excluded, not even the padding item.
  bool exclude_history = false;
  int64_t batch = 256;   // users at a time
  UserFolds folds = {};  // users of the fold that is left out are not validated on
};

// Users with a held-out validation item, but for those of the fold that is left out.
std::vector<int64_t> validation_users(const Dataset& dataset, const UserFolds& folds);

// Where each row's target stands among all items: 1 + number of items with a greater score
// (hidden x table^T + bias); 0 for one that is excluded. excluded: empty, or items of each row, with
// which the padding item goes too.
//
//   hidden [B, D], table [N + 1, D], bias [N + 1]
std::vector<int64_t> target_ranks(const at::Tensor& hidden, const at::Tensor& table,
                                  const at::Tensor& bias, std::span<const int32_t> targets,
                                  std::span<const std::span<const int32_t>> excluded,
                                  ThreadPool& pool);

// Where each validation user's held-out item stands: input is what the objective shows of the
// training items, rank is 1 + number of items with a greater score (ties never hurt), and 0 when
// the input holds the item and exclude_history keeps it from being offered again. Users are shared
// among the processes; every process gets the same result, which does not depend on how many there
// are.
std::vector<int64_t> validation_ranks(const Retriever& model, const TrainingObjective& objective,
                                      const Dataset& dataset, const ValidationOptions& options,
                                      ProcessGroup& group, ThreadPool& pool);

}  // namespace tandem::learn
