// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/hllm/item_vectors.h"
#include "engine/table_retriever.h"
#include "models/cooccurrence.h"
#include "models/star_files.h"

namespace tandem::engine {

// STAR's retriever, which nothing was trained for (Section 4.1 of the paper):
//
//     score(x | s_1 .. s_n) = 1/n sum_j lambda^t_j [ a cos(e_x, e_s_j) + (1 - a) C(x, s_j) ]
//
//   s    the newest l items of the history that the model knows; n <= l of them
//   t    0 for the newest, one more for each older one
//   e    the items' vectors; C: models/cooccurrence.h
//
// The paper's factor r_j, the user's rating, is 1: it found that ratings do not help, and a history
// has none. hidden() is a / n sum_j lambda^t_j e_s_j / |e_s_j|, so the first part is a product with
// the table of unit vectors, and the second adds n sparse rows. Top-k and ranks are exact.
//
// The paper scores items that are new to the user, and so does SeenItems::kWindow: the model sees
// the whole history, and l items of it count (max_length() is not l). All scores of a new user are
// 0. An item without a vector has only its co-occurrences. The bits depend neither on the batch nor
// on the number of threads.
//
// Memory: the unit vectors, 4 (N + 1) D bytes; the co-occurrences as they are (mapped).
class Star final : public TableRetriever {
 public:
  // known [N + 1], 0 for an item that the model lacks, or empty: it has all. ShapeError when
  // vectors and co-occurrences are not of as many items.
  Star(const StarConfig& config, const ItemVectors& vectors, Cooccurrence cooccurrence,
       std::vector<uint8_t> known = {});

  Json describe() const override;
  double flops_per_position() const override { return 2 * static_cast<double>(width()); }

 private:
  void run(std::span<const History> windows, ThreadPool& pool, float* out) const override;
  std::vector<std::vector<SparseTerm>> added(std::span<const History> windows) const override;

  // An item that counts, and lambda^t / n.
  struct Weighted {
    int32_t item;
    double weight;
  };
  std::vector<Weighted> counting(const History& window) const;  // newest first

  StarConfig star_;
  Cooccurrence cooccurrence_;
};

}  // namespace tandem::engine
