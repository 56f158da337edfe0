// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/thread_pool.h"
#include "data/dataset.h"
#include "eval/candidates.h"
#include "eval/evaluation.h"
#include "rank/fusion.h"
#include "rank/ranker.h"
#include "rank/samples.h"

namespace tandem {

// A retriever's candidates of one split, the users whose held-out item is among the first K of them
// (LlamaRec's valid retrieval subset), and what scorers say of those users' candidates. The first
// scorer is the retriever itself.
struct SecondStage {
  CandidateSet candidates = {};
  int64_t num_candidates = 0;  // K
  std::vector<RankingSample> samples = {};
  std::vector<CandidateScores> scorers = {};
};

// source: a candidate file or a retriever's run. DataError when the subset is empty.
SecondStage open_second_stage(const fs::path& source, const Dataset& dataset, Split split,
                              int64_t num_candidates, ThreadPool& pool);

// The letters' logits for the subset, [samples, letters]; scores of the subset by them, and by the
// titles' likelihood. All show progress and throw Interrupted. dataset must outlive the stage's
// samples.
Matrix letter_logits(const Ranker& ranker, const Dataset& dataset,
                     std::span<const RankingSample> samples, ThreadPool& pool);
CandidateScores letter_scores(const Ranker& ranker, const Dataset& dataset,
                              std::span<const RankingSample> samples, ThreadPool& pool);
CandidateScores likelihood_scores(const Ranker& ranker, const Dataset& dataset,
                                  std::span<const RankingSample> samples, ThreadPool& pool);

// One system a scorer, and "fused" when weights (one a scorer) are given: over the subset, or over
// all users, where users outside the subset keep the retriever's rank (combine_ranks). protocol
// needs split, resampling, fingerprint and version only.
enum class StageUsers { kSubset, kAll };
std::vector<Evaluation> evaluate_stage(const SecondStage& stage, std::span<const double> weights,
                                       StageUsers users, Protocol protocol, const Dataset& dataset,
                                       ThreadPool& pool);

}  // namespace tandem
