// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/thread_pool.h"
#include "data/dataset.h"
#include "engine/hllm/hllm.h"
#include "rank/fusion.h"
#include "rank/prompt.h"
#include "rank/ranker.h"
#include "rank/ranking_sample.h"

namespace tandem {

// A language model with the data set's titles, cut for it once.
struct TitledRanker {
  TitledRanker(Ranker model, const Dataset& dataset, ThreadPool& pool)
      : ranker(std::move(model)), titles(dataset, ranker.cutter(), pool) {}

  Ranker ranker;
  ItemTitles titles;
  std::string tokenizer = {};  // SHA-256 of its files, where it has its own
};

// Whoever follows long scoring: shows how far it is, keeps finished rows, stops it by throwing. A
// pass is one model over samples in one order of the candidates. Called by the scoring thread.
class ScoringWatch {
 public:
  virtual ~ScoringWatch() = default;
  // A pass of [rows, columns] begins. name: SHA-256 of the question and all its prompts; label: for
  // people. The result are rows that are known already, end to end from the first.
  virtual std::vector<float> begin(const std::string& name, const std::string& label, int64_t rows,
                                   int64_t columns) = 0;
  // The next `count` rows are finished.
  virtual void finished(const float* rows, int64_t count) = 0;
  virtual void end() = 0;
};

// The letters' logits for the samples, [samples, letters]; their scores by them, and by the titles'
// likelihood. Rows that the watch knows are taken over; the others are packed as they would have
// been without the break, so the bits are the same. The samples' data set must outlive them.
engine::Matrix letter_logits(const TitledRanker& model, std::span<const RankingSample> samples,
                             ThreadPool& pool, ScoringWatch* watch = nullptr);
// Each candidate's probability is the mean over as many orders of the candidates, which are turns
// of the given one (candidate_order.h); the cost grows in proportion.
CandidateScores letter_scores(const TitledRanker& model, std::span<const RankingSample> samples,
                              int64_t permutations, ThreadPool& pool,
                              ScoringWatch* watch = nullptr);
CandidateScores likelihood_scores(const TitledRanker& model, std::span<const RankingSample> samples,
                                  ThreadPool& pool, ScoringWatch* watch = nullptr);

// What an HLLM that judges (engine::Hllm::ranking) says of the candidates: its z, as "judgement".
CandidateScores judged_scores(const engine::Hllm& model, std::span<const RankingSample> samples,
                              ThreadPool& pool);

// The models of a second stage.
struct SecondStageModels {
  std::unique_ptr<TitledRanker> letters = {}, likelihood = {};  // null when not asked for
  std::unique_ptr<const engine::Hllm> judge = {};               // likewise
  int64_t num_candidates = 20;                                  // K, the ranker's
  int64_t permutations = 1;                                     // that letters are averaged over

  // The one that reads prompts, by letters where both do; null where none does.
  const TitledRanker* reader() const { return letters ? letters.get() : likelihood.get(); }
  // What each says of the samples' candidates.
  std::vector<CandidateScores> scores(std::span<const RankingSample> samples, ThreadPool& pool,
                                      ScoringWatch* watch = nullptr) const;
};

}  // namespace tandem
