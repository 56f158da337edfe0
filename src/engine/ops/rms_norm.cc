// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/rms_norm.h"

#include <algorithm>

#include "core/check.h"
#include "engine/kernels/vector_ops.h"

namespace tandem::engine {

Matrix rms_norm(const Matrix& x, std::span<const float> weight, float eps, ThreadPool& pool) {
  const auto width = static_cast<int64_t>(weight.size());
  TANDEM_CHECK(width > 0 && x.columns % width == 0, "{} columns, weight {}", x.columns, width);
  Matrix y(x.rows, x.columns);
  constexpr int64_t kRows = 64;  // in one task
  pool.parallel_for((x.rows + kRows - 1) / kRows, [&](int64_t index, int) {
    for (int64_t r = index * kRows; r < std::min(x.rows, (index + 1) * kRows); ++r)
      for (int64_t c = 0; c < x.columns; c += width)
        rms_norm_row(x.row(r) + c, width, weight.data(), eps, y.row(r) + c);
  });
  return y;
}

}  // namespace tandem::engine
