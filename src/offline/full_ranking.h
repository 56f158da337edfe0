// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "core/thread_pool.h"
#include "data/dataset.h"
#include "engine/retriever.h"
#include "eval/candidates.h"
#include "eval/metrics.h"

namespace tandem {

std::string split_name(Split split);       // "valid", "test"
Split parse_split(std::string_view name);  // UsageError

// Every user with a held-out item, ranked against all items.
struct FullRanking {
  // Users with a held-out item, in their order; rank 0 where the model does not know the item.
  RankList ranks;
  CandidateSet candidates;  // all users; a row of zeros for those without
};

// Histories are those of the split; k candidates a user (0: ranks alone). Shows progress. Throws
// DataError.
FullRanking rank_users(const engine::Retriever& retriever, const Dataset& dataset, Split split,
                       int64_t k, engine::SeenItems seen, ThreadPool& pool);

// The same ranks for the popularity baseline. window is how many of the newest items
// SeenItems::kWindow excludes.
RankList rank_by_popularity(const Dataset& dataset, Split split, engine::SeenItems seen,
                            int64_t window, ThreadPool& pool);

}  // namespace tandem
