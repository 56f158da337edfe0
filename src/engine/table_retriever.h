// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/kernels/packed_matrix.h"
#include "engine/retriever.h"

namespace tandem::engine {

// A Retriever that sees the newest items of a history and scores against a packed table. It cuts
// the windows and does everything after the model's pass, which a subclass adds as run(), and
// added() where there is more to a score than the product.
class TableRetriever : public Retriever {
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
                             std::span<const std::span<const int32_t>> excluded) const final;

 protected:
  // item_table [N + 1, D]; item_bias [N + 1], or empty for none; known [N + 1], 0 for an item that
  // the model lacks, or empty: it has all.
  TableRetriever(RetrieverModelConfig config, PackedMatrix item_table, std::vector<float> item_bias,
                 std::vector<uint8_t> known);

  // What the model sees of each history; items and times the rows look into where they are not
  // histories'.
  struct Windows {
    std::vector<History> rows;
    std::vector<int32_t> items;
    std::vector<int64_t> times;
  };
  // DataError for an item outside 1..N; a new user's window is the padding item alone.
  Windows windows(std::span<const History> histories) const;

  // How many of a history's newest items the model sees.
  virtual int64_t window() const { return max_length(); }
  // Windows of 1..window() items (a new user's is the padding item alone) -> out [windows, D].
  virtual void run(std::span<const History> windows, ThreadPool& pool, float* out) const = 0;

  // Per window, what its scores get beside the product; empty: nothing for all. The terms look into
  // the model.
  virtual std::vector<std::vector<SparseTerm>> added(std::span<const History> /*windows*/) const {
    return {};
  }

  const PackedMatrix& item_table() const { return item_table_; }

 private:
  // What some histories are scored with; the problem looks into the rest (moving it moves all).
  struct Asked {
    Windows shown;
    std::vector<float> hidden = {};  // [B, D]
    std::vector<std::vector<SparseTerm>> added = {};
    std::vector<std::span<const int32_t>> excluded = {};
    ScoreProblem problem = {};
  };
  Asked ask(std::span<const History> histories, SeenItems seen, ThreadPool& pool) const;

  RetrieverModelConfig config_;
  PackedMatrix item_table_;
  std::vector<float> item_bias_;  // kExcludedScore of unknown items
  std::vector<uint8_t> known_;
};

}  // namespace tandem::engine
