// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "data/dataset.h"
#include "engine/retriever.h"
#include "eval/candidates.h"
#include "rank/ranking_sample.h"

namespace tandem {

// The first `length` items of a user's training sequence: history and, as the last one, the answer.
struct TrainingPrefix {
  int64_t user = 0;
  int64_t length = 0;

  friend bool operator==(const TrainingPrefix&, const TrainingPrefix&) = default;
};

// Every prefix of two or more training items, users in order, short ones first.
std::vector<TrainingPrefix> training_prefixes(const Dataset& dataset);

// The answer and `count - 1` negatives, drawn uniformly with replacement from all items but those
// of the whole prefix (LlamaRec's rule; a negative may occur twice), in shuffled order. A pure
// function of (seed, epoch, number). DataError when the user knows all items.
RankingSample uniform_sample(const Dataset& dataset, const TrainingPrefix& prefix, int64_t count,
                             uint64_t seed, int64_t epoch, int64_t number);

// Candidates of training prefixes as a retriever ranks them: what evaluation shows the ranker.
struct PrefixCandidates {
  int64_t num_candidates = 0;             // K
  std::vector<int32_t> items = {};        // [prefixes, K], best first; 0 fills a shorter row
  std::vector<int32_t> answer_rank = {};  // of prefix i's answer, from 1; 0 when not among them

  // "answer in the top 20 in 27.0 % of 84542 training prompts, and first in 17.8 % of those"
  std::string describe() const;
};

// The retriever of a run folder, applied to each prefix without its answer; items of the window are
// excluded. Shows progress.
PrefixCandidates retrieve_for_prefixes(const fs::path& retriever, const Dataset& dataset,
                                       std::span<const TrainingPrefix> prefixes, int64_t k,
                                       ThreadPool& pool);

// The retriever's candidates in its order, or shuffled by (seed, epoch, number). An answer that is
// not among them takes the last place.
RankingSample retrieved_sample(const Dataset& dataset, const TrainingPrefix& prefix,
                               std::span<const int32_t> candidates, bool shuffled, uint64_t seed,
                               int64_t epoch, int64_t number);

// DataError when the candidates are another data set's.
void check_same_data(const CandidateSet& candidates, const Dataset& dataset);

// The users whose held-out item is among their first num_candidates candidates, in the retriever's
// order (LlamaRec's valid retrieval subset). DataError when the candidates are another data set's.
std::vector<RankingSample> subset_samples(const Dataset& dataset, const CandidateSet& candidates,
                                          int64_t num_candidates);

// A candidate file, or what the retriever of a run folder finds now, items of the window excluded
// unless `seen` says otherwise; DataError when a file was made by another rule than `seen`.
CandidateSet load_candidates(const fs::path& file_or_run, const Dataset& dataset, Split split,
                             int64_t k, ThreadPool& pool,
                             std::optional<engine::SeenItems> seen = {});

}  // namespace tandem
