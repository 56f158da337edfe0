// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/thread_pool.h"
#include "data/dataset.h"
#include "engine/retriever.h"
#include "eval/beyond_utility.h"
#include "offline/full_ranking.h"
#include "offline/two_stage.h"
#include "rank/scorers.h"

namespace tandem {

// Which parts of the Beyond Utility report are made; those that cost another pass over the users
// only when asked for.
struct BeyondOptions {
  int64_t list_size = 10;                     // k of the list metrics
  int64_t length_groups = 5;                  // of users by the length of their history
  std::vector<int64_t> history_lengths = {};  // score again with so many newest items
  bool position_bias = false;                 // score again with the candidates in random order
  int64_t examples = 5;                       // users to show
  int64_t generated_lists = 0;                // users for whom the model writes a list; 0: none

  void validate() const;  // UsageError
};

// Of the subset, all systems of evaluate_stage(kSubset), which come as `systems` in its order.
// Shortened histories go to the models; the retriever's candidates and scores stay those of the
// whole history.
BeyondUtility stage_beyond(const SecondStage& stage, std::span<const double> weights,
                           const SecondStageModels& models, const Dataset& dataset,
                           std::span<const Evaluation> systems, const BeyondOptions& options,
                           ThreadPool& pool, ScoringWatch* watch = nullptr);

// Of a retriever alone, over all users; `ranking` holds list_size candidates a user. With
// shortened histories only their items count as seen, so older ones may be recommended again.
BeyondUtility retriever_beyond(const engine::Retriever& retriever, const Dataset& dataset,
                               Split split, engine::SeenItems seen, const FullRanking& ranking,
                               const Evaluation& evaluation, const BeyondOptions& options,
                               ThreadPool& pool);

// What each evaluated user had before the held-out item, in the evaluation's order. DataError when
// it is another data set's.
std::vector<int32_t> history_lengths(const Evaluation& evaluation, const Dataset& dataset);

}  // namespace tandem
