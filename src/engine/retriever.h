// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/thread_pool.h"
#include "engine/kernels/packed_matrix.h"
#include "engine/kernels/score_topk.h"
#include "models/retriever_config.h"
#include "models/retriever_weights.h"

namespace tandem::engine {

// A user's items, oldest first.
using History = std::span<const int32_t>;

// Which known items cannot be recommended: those the model sees (the newest window(), the authors'
// rule), all of the history, or none. The padding item never can.
enum class SeenItems { kWindow, kHistory, kNone };
SeenItems parse_seen_items(
    std::string_view name);  // "window", "full" or "history", "none"; UsageError
std::string_view seen_items_name(SeenItems seen);

// A sequence model that scores every item for a user: score(n) = hidden . table[n] + bias[n].
//
// Results are the same bits on any number of threads and in any batch. Safe to call concurrently,
// with a pool each. Items must be in 1..num_items (DataError else); an empty history is a new user.
// Items that the model does not know (RetrieverWeights::renumbered) are skipped in histories and
// never recommended.
class Retriever {
 public:
  virtual ~Retriever() = default;

  const RetrieverModelConfig& config() const { return config_; }
  int64_t num_items() const { return config_.num_items; }
  int64_t width() const { return config_.width; }
  int64_t max_length() const { return config_.max_length; }
  // Whether the model has the item; all of 1..num_items unless it was renumbered.
  bool knows(int32_t item) const {
    return item >= 1 && item <= num_items() &&
           (known_.empty() || known_[static_cast<size_t>(item)] != 0);
  }

  // [B, D]: what the model knows after the newest items of each history.
  std::vector<float> hidden(std::span<const History> histories, ThreadPool& pool) const;

  // All scores [B, N + 1]; excluded ones are kExcludedScore.
  std::vector<float> score(std::span<const History> histories, SeenItems seen,
                           ThreadPool& pool) const;
  // The k best items of each user, best first.
  std::vector<std::vector<ScoredItem>> top_k(std::span<const History> histories, int64_t k,
                                             SeenItems seen, ThreadPool& pool) const;
  // Those, and where targets[b] stands in the full ranking; rank 0 for one that the model does not
  // know.
  TopKAndRank top_k_and_rank(std::span<const History> histories, int64_t k,
                             std::span<const int32_t> targets, SeenItems seen,
                             ThreadPool& pool) const;
  // The last step alone, for states that are kept: hidden [B, D] against the table.
  ScoreProblem score_problem(const float* hidden, int64_t rows,
                             std::span<const History> excluded) const;

 protected:
  Retriever(const RetrieverWeights& weights, PackedMatrix item_table, std::vector<float> item_bias);

  // How many of a history's newest items the model sees.
  virtual int64_t window() const { return max_length(); }
  // Rows end to end: `rows` windows of 1..window() items (a new user's is the padding item alone)
  // -> out [rows, D]. Called by several threads at once.
  virtual void forward(std::span<const History> windows, float* out) const = 0;

  const PackedMatrix& item_table() const { return item_table_; }

 private:
  // What the model sees of each history; items the rows look into where they are not histories'.
  struct Windows {
    std::vector<History> rows;
    std::vector<int32_t> items;
  };
  Windows windows(std::span<const History> histories) const;
  Windows excluded(std::span<const History> histories, SeenItems seen) const;

  RetrieverModelConfig config_;
  PackedMatrix item_table_;       // [N + 1, D]
  std::vector<float> item_bias_;  // [N + 1], or empty for none; kExcludedScore of unknown items
  std::vector<uint8_t> known_;    // [N + 1], or empty: all
};

// The model that the weights describe. The result owns copies.
std::unique_ptr<Retriever> make_retriever(const RetrieverWeights& weights);
std::unique_ptr<Retriever> load_retriever(const fs::path& path,
                                          const RetrieverModelConfig& fallback = {});

}  // namespace tandem::engine
