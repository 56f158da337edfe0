// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/thread_pool.h"
#include "data/dataset.h"
#include "eval/candidates.h"
#include "eval/evaluation.h"
#include "eval/user_sample.h"
#include "offline/samples.h"
#include "rank/fusion.h"

namespace tandem {

// A retriever's candidates of one split, the users whose held-out item is among the first K of them
// (LlamaRec's valid retrieval subset), and what scorers say of those users' candidates. The first
// scorer is the retriever itself.
struct SecondStage {
  CandidateSet candidates = {};
  int64_t num_candidates = 0;  // K
  std::vector<RankingSample> samples = {};
  std::vector<CandidateScores> scorers = {};
  std::string users = "all";  // or the sample's name; others have no target in `candidates`
};

struct StageSource {
  fs::path retriever;  // a candidate file or a retriever's run
  Split split = Split::kTest;
  int64_t num_candidates = 0;                  // K
  std::optional<engine::SeenItems> seen = {};  // see load_candidates
  UserSample sample = {};
};

// DataError when the subset is empty.
SecondStage open_second_stage(const StageSource& source, const Dataset& dataset, ThreadPool& pool);

// One system a scorer, and "fused" when weights (one a scorer) are given: over the subset, or over
// all users, where users outside the subset keep the retriever's rank (combine_ranks). protocol
// needs split, resampling, fingerprint and version only.
enum class StageUsers { kSubset, kAll };
std::vector<Evaluation> evaluate_stage(const SecondStage& stage, std::span<const double> weights,
                                       StageUsers users, Protocol protocol, const Dataset& dataset,
                                       ThreadPool& pool);

}  // namespace tandem
