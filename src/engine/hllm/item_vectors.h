// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/kernels/packed_matrix.h"
#include "engine/ops/matrix.h"
#include "models/item_matrix.h"

namespace tandem::engine {

// The vectors of a catalogue's items as the Item LLM made them, by item number: rows of a mapped
// matrix, which stay in its file, and vectors in memory of items that the matrix lacks. Safe to
// read concurrently.
class ItemVectors {
 public:
  // all [N + 1, D], row 0 of the padding item.
  explicit ItemVectors(Matrix all);
  // rows [N + 1]: of each item the matrix's row, or -1 - r for row r of `added`. ShapeError for
  // rows that neither has, or widths that differ.
  ItemVectors(std::shared_ptr<const ItemMatrix> matrix, std::vector<int64_t> rows, Matrix added);

  int64_t num_items() const { return static_cast<int64_t>(rows_.size()) - 1; }   // N
  int64_t width() const { return matrix_ ? matrix_->width() : added_.columns; }  // D
  // The vector of an item in 0..N, [D].
  void read(int64_t item, float* out) const;

 private:
  std::shared_ptr<const ItemMatrix> matrix_;  // null: all are in added_
  std::vector<int64_t> rows_;
  Matrix added_;
};

// The vectors with length 1, [N + 1, D]; a row of zeros stays so. A product with it is a cosine.
PackedMatrix unit_table(const ItemVectors& vectors);

}  // namespace tandem::engine
