// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/rope.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace tandem::engine {

Rope::Rope(std::span<const int64_t> positions, std::span<const double> inverse_frequencies,
           int64_t head_dim, int64_t offset)
    : cos_(static_cast<int64_t>(positions.size()),
           static_cast<int64_t>(inverse_frequencies.size())),
      sin_(cos_.rows, cos_.columns),
      head_dim_(head_dim > 0 ? head_dim : 2 * cos_.columns),
      offset_(offset) {
  TANDEM_CHECK(offset >= 0 && offset + 2 * cos_.columns <= head_dim_, "{} angles from {} of {}",
               cos_.columns, offset, head_dim_);
  for (int64_t r = 0; r < cos_.rows; ++r) {
    for (int64_t j = 0; j < cos_.columns; ++j) {
      const double angle = static_cast<double>(positions[r]) * inverse_frequencies[j];
      cos_.row(r)[j] = static_cast<float>(std::cos(angle));
      sin_.row(r)[j] = static_cast<float>(std::sin(angle));
    }
  }
}

void Rope::rotate(Matrix& x, ThreadPool& pool) const {
  const int64_t half = cos_.columns;
  TANDEM_CHECK(x.rows == cos_.rows && x.columns % head_dim_ == 0, "[{}, {}] for {} positions",
               x.rows, x.columns, cos_.rows);
  constexpr int64_t kRows = 64;  // in one task
  pool.parallel_for((x.rows + kRows - 1) / kRows, [&](int64_t index, int) {
    for (int64_t r = index * kRows; r < std::min(x.rows, (index + 1) * kRows); ++r) {
      const float *cos = cos_.row(r), *sin = sin_.row(r);
      for (float* head = x.row(r) + offset_; head < x.row(r) + x.columns; head += head_dim_) {
        for (int64_t j = 0; j < half; ++j) {
          const float a = head[j], b = head[j + half];
          head[j] = a * cos[j] - b * sin[j];
          head[j + half] = b * cos[j] + a * sin[j];
        }
      }
    }
  });
}

}  // namespace tandem::engine
