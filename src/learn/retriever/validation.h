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

// What is never recommended in a validation. Nothing, the authors' way in LRURec's training: not even
// the padding item is left out. The others leave it out, and what the input holds, or all of the
// history.
enum class Excluded { kNothing, kPadding, kInput, kHistory };

struct ValidationOptions {
  Excluded exclude = Excluded::kNothing;
  int64_t batch = 256;     // users at a time
  UserFolds folds = {};    // users of the fold that is left out are not validated on
  int64_t most_users = 0;  // the first so many; 0: all
};

// Users with a held-out validation item, but for those of the fold that is left out.
std::vector<int64_t> validation_users(const Dataset& dataset, const UserFolds& folds,
                                      int64_t most_users = 0);

// Where each validation user's held-out item stands: input is what the objective shows of the
// training items, rank is 1 + number of items with a greater score (ties never hurt), and 0 when
// the item is excluded, so that it is not offered again. Users are shared
// among the processes; every process gets the same result, which does not depend on how many there
// are.
std::vector<int64_t> validation_ranks(const Retriever& model, const TrainingObjective& objective,
                                      const Dataset& dataset, const ValidationOptions& options,
                                      ProcessGroup& group, ThreadPool& pool);

}  // namespace tandem::learn
