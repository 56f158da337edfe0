// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/kernels/packed_matrix.h"
#include "engine/retriever.h"

namespace tandem::engine {

// A Retriever that computes each answer anew from the newest items of the history: it cuts the
// window and scores against a packed table; a model adds forward(). Tasks of the pool are cut by
// the windows' lengths alone.
class WindowedRetriever : public Retriever {
 public:
  const RetrieverModelConfig& config() const final { return config_; }
  bool knows(int32_t item) const final {
    return item >= 1 && item <= config_.num_items && (known_.empty() || known_[item] != 0);
  }

  std::vector<float> hidden(std::span<const History> histories, ThreadPool& pool) const final;
  std::vector<float> score(std::span<const History> histories, SeenItems seen,
                           ThreadPool& pool) const final;
  TopKAndRank top_k_and_rank(std::span<const History> histories, int64_t k,
                             std::span<const int32_t> targets, SeenItems seen,
                             ThreadPool& pool) const final;
  ScoreProblem score_problem(const float* hidden, int64_t rows,
                             std::span<const History> excluded) const final;

 protected:
  WindowedRetriever(const RetrieverWeights& weights, PackedMatrix item_table,
                    std::vector<float> item_bias);

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

}  // namespace tandem::engine
