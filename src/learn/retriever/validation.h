// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "core/thread_pool.h"
#include "data/dataset.h"
#include "data/folds.h"
#include "learn/distributed/process_group.h"
#include "learn/model.h"
#include "learn/retriever/objective.h"

namespace tandem::learn {

// Full-ranking metrics with one relevant item a user: exact means over users of
// Recall@K = [rank <= K], NDCG@K = [rank <= K] / log2(rank + 1), MRR@K = [rank <= K] / rank. Rank 0
// is an item that was not ranked: a miss.
struct ValidationMetrics {
  static constexpr std::array<int64_t, 5> kCutOffs = {1, 5, 10, 20, 50};
  std::array<double, 5> recall{}, ndcg{}, mrr{};
  int64_t users = 0;

  // "Recall@10", "NDCG@20", "MRR@5"; ConfigError for another name.
  double value(std::string_view name) const;
  Json to_json() const;
};

ValidationMetrics metrics_of_ranks(std::span<const int64_t> ranks);

struct ValidationOptions {
  // False, the authors' way in training: nothing is excluded, not even the padding item.
  bool exclude_history = false;
  int64_t batch = 256;   // users at a time
  UserFolds folds = {};  // users of the fold that is left out are not validated on
};

// Users with a held-out validation item, but for those of the fold that is left out.
std::vector<int64_t> validation_users(const Dataset& dataset, const UserFolds& folds);

// Where each validation user's held-out item stands: input is what the objective shows of the
// training items, rank is 1 + number of items with a greater score (ties never hurt), and 0 when
// the input holds the item and exclude_history keeps it from being offered again. Users are shared
// among the processes; every process gets the same result, which does not depend on how many there
// are.
std::vector<int64_t> validation_ranks(const Retriever& model, const TrainingObjective& objective,
                                      const Dataset& dataset, const ValidationOptions& options,
                                      ProcessGroup& group, ThreadPool& pool);

}  // namespace tandem::learn
