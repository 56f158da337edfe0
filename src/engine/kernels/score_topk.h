// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/thread_pool.h"
#include "engine/kernels/packed_matrix.h"

namespace tandem::engine {

// What an item that must not be recommended scores: the padding item and a row's excluded items.
inline constexpr float kExcludedScore = -1e9f;

// What a row's scores get beside the product: score(items[i]) += weight * values[i].
struct SparseTerm {
  float weight = 0;
  std::span<const int32_t> items = {};  // ascending
  std::span<const float> values = {};
};

// One row of hidden against all items: score(n) = hidden . table[n] + bias[n], n in 0..num_items.
struct ScoreProblem {
  const float* hidden = nullptr;  // [B, D]
  int64_t rows = 0;               // B
  int64_t width = 0;              // D
  const float* table = nullptr;   // [num_items + 1, D]; row 0 is the padding item
  const PackedMatrix* packed =
      nullptr;                  // the table, packed beforehand; then `table` is not looked at
  const float* bias = nullptr;  // [num_items + 1], or null for none
  int64_t num_items = 0;        // N
  // Per row: items that get kExcludedScore beside item 0, in any order, repeats allowed. Empty, or
  // one for each row.
  std::span<const std::span<const int32_t>> excluded = {};
  // Per row: terms that are added, one after the other. Empty, or one list for each row.
  std::span<const std::vector<SparseTerm>> added = {};
  // False leaves item 0 its own score, as the authors' validation does (it may then be a result
  // too).
  bool exclude_padding = true;
};

// An item and how well it fits.
struct ScoredItem {
  int32_t item = 0;
  float score = 0;
  bool operator==(const ScoredItem&) const = default;
};

// Where a row's held-out item stands among the items that may be recommended.
struct TargetRank {
  float score = 0;
  int64_t rank = 0;       // 1 + number of items with a greater score; 0 when it is excluded itself
  int64_t equal = 0;      // other items with the same score
  bool excluded = false;  // the row excludes it: score is kExcludedScore, rank and equal are 0
  bool operator==(const TargetRank&) const = default;
};

// The k best items of each row, best first; of equal scores the lower item comes first. Excluded
// items are never results, so a row may have fewer than k. Scores are made tile by tile and not
// stored: O(B N D) time, memory for one tile a thread and k results a row and tile column. The bits
// depend on neither the number of threads nor the batch nor the instruction set (see PackedMatrix).
// Throws ShapeError.
std::vector<std::vector<ScoredItem>> score_topk(const ScoreProblem& problem, int64_t k,
                                                ThreadPool& pool);

// Strict rank of targets[b] in row b.
std::vector<TargetRank> score_rank(const ScoreProblem& problem, std::span<const int32_t> targets,
                                   ThreadPool& pool);

// Both in one pass over the table.
struct TopKAndRank {
  std::vector<std::vector<ScoredItem>> top;
  std::vector<TargetRank> ranks;
};
TopKAndRank score_topk_and_rank(const ScoreProblem& problem, int64_t k,
                                std::span<const int32_t> targets, ThreadPool& pool);

// All scores [B, N + 1], with exclusions applied: for tests, oracles and explanations.
std::vector<float> score_all(const ScoreProblem& problem, ThreadPool& pool);

}  // namespace tandem::engine
