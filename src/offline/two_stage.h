// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/thread_pool.h"
#include "data/dataset.h"
#include "eval/candidates.h"
#include "eval/evaluation.h"
#include "eval/user_sample.h"
#include "rank/fusion.h"
#include "rank/prompt.h"
#include "rank/ranker.h"
#include "offline/samples.h"
#include "offline/score_log.h"

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
  int64_t num_candidates = 0;          // K
  std::optional<SeenItems> seen = {};  // see load_candidates
  UserSample sample = {};
};

// DataError when the subset is empty.
SecondStage open_second_stage(const StageSource& source, const Dataset& dataset, ThreadPool& pool);

// A language model with the data set's titles, cut for it once.
struct TitledRanker {
  TitledRanker(Ranker model, const Dataset& dataset, ThreadPool& pool)
      : ranker(std::move(model)), titles(dataset, ranker.cutter(), pool) {}

  Ranker ranker;
  ItemTitles titles;
  ScoreLog* log = nullptr;  // where finished scores are kept, and taken from; null: nowhere
};

// The letters' logits for the samples, [samples, letters]; their scores by them, and by the titles'
// likelihood. All show progress and throw Stopped. The samples' data set must outlive them.
Matrix letter_logits(const TitledRanker& model, std::span<const RankingSample> samples,
                     ThreadPool& pool);
// Each candidate's probability is the mean over as many orders of the candidates, which are turns
// of the given one (candidate_order.h); the cost grows in proportion.
CandidateScores letter_scores(const TitledRanker& model, std::span<const RankingSample> samples,
                              int64_t permutations, ThreadPool& pool);
CandidateScores likelihood_scores(const TitledRanker& model, std::span<const RankingSample> samples,
                                  ThreadPool& pool);

// The models behind a retriever.
struct SecondStageModels {
  std::unique_ptr<TitledRanker> letters = {}, likelihood = {};  // null when not asked for
  int64_t num_candidates = 0;                                   // K, the ranker's
  int64_t permutations = 1;                                     // that letters are averaged over

  // What each says of the samples' candidates.
  std::vector<CandidateScores> scores(std::span<const RankingSample> samples,
                                      ThreadPool& pool) const;
};

// One system a scorer, and "fused" when weights (one a scorer) are given: over the subset, or over
// all users, where users outside the subset keep the retriever's rank (combine_ranks). protocol
// needs split, resampling, fingerprint and version only.
enum class StageUsers { kSubset, kAll };
std::vector<Evaluation> evaluate_stage(const SecondStage& stage, std::span<const double> weights,
                                       StageUsers users, Protocol protocol, const Dataset& dataset,
                                       ThreadPool& pool);

}  // namespace tandem
