// SPDX-License-Identifier: Apache-2.0
#include "engine/hllm/item_vectors.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "engine/ops/unit_row.h"

namespace tandem::engine {

ItemVectors::ItemVectors(Matrix all)
    : rows_(static_cast<size_t>(all.rows)), added_(std::move(all)) {
  for (size_t i = 0; i < rows_.size(); ++i) rows_[i] = -1 - static_cast<int64_t>(i);
  if (rows_.empty()) throw ShapeError("item vectors: no row for the padding item");
}

ItemVectors::ItemVectors(std::shared_ptr<const ItemMatrix> matrix, std::vector<int64_t> rows,
                         Matrix added)
    : matrix_(std::move(matrix)), rows_(std::move(rows)), added_(std::move(added)) {
  if (rows_.empty()) throw ShapeError("item vectors: no row for the padding item");
  if (added_.rows > 0 && added_.columns != width())
    throw ShapeError("item vectors: the matrix is {} wide, the added rows {}", width(),
                     added_.columns);
  const int64_t stored = matrix_ ? matrix_->rows() : 0;
  for (const int64_t row : rows_)
    if (row >= stored || -1 - row >= added_.rows)
      throw ShapeError("item vectors: row {} of {} stored and {} added", row, stored, added_.rows);
}

void ItemVectors::read(int64_t item, float* out) const {
  const int64_t row = rows_[item];
  if (row >= 0) return matrix_->read(row, out);
  std::copy_n(added_.row(-1 - row), added_.columns, out);
}

PackedMatrix unit_table(const ItemVectors& vectors) {
  return {vectors.num_items() + 1, vectors.width(), [&](int64_t item, float* out) {
            vectors.read(item, out);
            make_unit(out, vectors.width());
          }};
}

}  // namespace tandem::engine
