// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/json.h"
#include "core/thread_pool.h"
#include "engine/history.h"
#include "engine/kernels/score_topk.h"
#include "models/retriever_config.h"
#include "models/retriever_weights.h"

namespace tandem::engine {

// Which known items cannot be recommended: those the model sees (the newest ones, the authors'
// rule), all of the history, or none. The padding item never can.
enum class SeenItems { kWindow, kHistory, kNone };
SeenItems parse_seen_items(
    std::string_view name);  // "window", "full" or "history", "none"; UsageError
std::string_view seen_items_name(SeenItems seen);

class IncrementalRetriever;

// What one asks a sequence model that scores every item for a user:
// score(n) = hidden . table[n] + bias[n], or the cosine of hidden and table[n] (Similarity); STAR
// adds what the items' users tell.
//
// Results are the same bits on any number of threads, and in any batch unless the model says that
// a batch may change the last bits (HLLM). Safe to call concurrently, with a pool each. Items must
// be in 1..num_items (DataError else); an empty history is a new user. Items that the model does not
// know (RetrieverWeights::renumbered) are skipped in histories and never recommended.
class Retriever {
 public:
  virtual ~Retriever() = default;

  virtual const RetrieverModelConfig& config() const = 0;
  int64_t num_items() const { return config().num_items; }
  int64_t width() const { return config().width; }
  int64_t max_length() const { return config().max_length; }
  // What the model is, for reports; FLOPs of one position in all blocks, forward, without scores.
  virtual Json describe() const { return config().to_json(); }
  virtual double flops_per_position() const;
  // Whether the model has the item; all of 1..num_items unless it was renumbered.
  virtual bool knows(int32_t item) const = 0;

  // [B, D]: what the model knows after the newest items of each history.
  virtual std::vector<float> hidden(std::span<const History> histories, ThreadPool& pool) const = 0;

  // For models that can keep a state per user; null for others.
  virtual const IncrementalRetriever* incremental() const { return nullptr; }

  // All scores [B, N + 1]; excluded ones are kExcludedScore.
  virtual std::vector<float> score(std::span<const History> histories, SeenItems seen,
                                   ThreadPool& pool) const = 0;
  // The k best items of each user, best first.
  std::vector<std::vector<ScoredItem>> top_k(std::span<const History> histories, int64_t k,
                                             SeenItems seen, ThreadPool& pool) const;
  // Those, and where targets[b] stands in the full ranking; rank 0 for one that the model does not
  // know.
  virtual TopKAndRank top_k_and_rank(std::span<const History> histories, int64_t k,
                                     std::span<const int32_t> targets, SeenItems seen,
                                     ThreadPool& pool) const = 0;
  // Whether times of a history change what it answers.
  virtual bool reads_times() const { return false; }
  // The last step alone, for states that are kept: hidden [B, D] against the table. What a model
  // adds to that product from the history itself (STAR) is not in it.
  virtual ScoreProblem score_problem(const float* hidden, int64_t rows,
                                     std::span<const std::span<const int32_t>> excluded) const = 0;
};

// The model that the weights describe. The result owns copies.
std::unique_ptr<Retriever> make_retriever(const RetrieverWeights& weights);
std::unique_ptr<Retriever> load_retriever(const fs::path& path,
                                          const RetrieverModelConfig& fallback = {});

}  // namespace tandem::engine
