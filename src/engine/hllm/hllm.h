// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "engine/hllm/item_vectors.h"
#include "engine/hllm/ranking_head.h"
#include "engine/hllm/time_embedding.h"
#include "engine/incremental_retriever.h"
#include "engine/llama/llama.h"
#include "engine/table_retriever.h"
#include "models/hllm_files.h"
#include "models/precision.h"

namespace tandem::engine {

// The User LLM of HLLM over a catalogue of item vectors (Section 3.2 of the paper):
//
//     u = User LLM(e_1, ..., e_t)[t]            e: item vectors as input embeddings, and with
//                                               time tables the vectors of their times added
//     score(n) = u . e_n / (|u| |e_n|)          in [-1, 1]
//
// hidden() is u / |u|. Histories are packed end to end without padding and positions count from 0;
// the authors' left padding shifts all positions alike, which a rotation does not see. A new user
// is the vector of the empty text alone. Which other histories are in the batch changes a result by
// rounding only (1e-6 of a score); the bits do not depend on the number of threads.
//
// A user's state is the keys and values of the newest S = max_length items, and one event is one
// step on them: equal to the full pass, within rounding, as long as the user has at most S items.
// After that the window slides over the cache: a step sees the newest S items, whose keys and
// values had seen the items before them, where the full pass would begin anew at the window's
// start.
// Numbers of a state: min(items, S) * layers * 2 * width of keys.
//
// Memory: the weights are mapped, and so are the vectors, which are packed once more, normalised,
// for the scores: 4 (N + 1) D bytes.
class Hllm final : public TableRetriever, public IncrementalRetriever {
 public:
  // ShapeError when the vectors are not as wide as the model.
  Hllm(const HllmFiles& files, ItemVectors vectors, Precision precision = Precision::kFloat32);

  Json describe() const override;
  double flops_per_position() const override;
  bool reads_times() const override { return !times_.empty(); }
  const IncrementalRetriever* incremental() const override { return this; }
  void step(UserState& state, const Event& event, float* hidden) const override;
  int64_t state_size(int64_t items) const override;

  // Whether and how the model judges candidates (models/ranking_head.h).
  HllmRanking ranking() const { return head_.ranking(); }
  // z of each history's candidates, items in 1..N. Late fusion makes one pass a history, early
  // fusion one a candidate. Not of a model that does not judge.
  std::vector<std::vector<float>> judge(std::span<const History> histories,
                                        std::span<const std::vector<int32_t>> candidates,
                                        ThreadPool& pool) const;

 private:
  // A window's items as inputs, and one more vector [D] behind them or null.
  struct Inputs {
    History window;
    const float* tail = nullptr;
  };
  void run(std::span<const History> windows, ThreadPool& pool, float* out) const override;
  // The User LLM's states at the last input of each, [asked, D].
  void last_states(std::span<const Inputs> asked, ThreadPool& pool, float* out) const;
  int64_t numbers_per_position() const;

  Llama model_;
  ItemVectors vectors_;
  TimeEmbedding times_;
  RankingHead head_;
};

}  // namespace tandem::engine
