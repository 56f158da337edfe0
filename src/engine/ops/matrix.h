// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace tandem::engine {

// Activations [rows, columns], row-major without gaps.
struct Matrix {
  Matrix() = default;
  Matrix(int64_t rows_, int64_t columns_)
      : rows(rows_), columns(columns_), values(static_cast<size_t>(rows_ * columns_)) {}

  float* data() { return values.data(); }
  const float* data() const { return values.data(); }
  float* row(int64_t r) { return values.data() + r * columns; }
  const float* row(int64_t r) const { return values.data() + r * columns; }

  int64_t rows = 0, columns = 0;
  std::vector<float> values;
};

}  // namespace tandem::engine
