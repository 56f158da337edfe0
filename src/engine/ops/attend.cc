// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/attend.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/kernels/packed_matrix.h"

namespace tandem::engine {

void attend(const float* query, const float* key, const float* value, int64_t steps, int64_t width,
            int64_t heads, float* out) {
  const int64_t size = width / heads;
  const float scale = 1.0f / std::sqrt(static_cast<float>(size));
  std::vector<float> weights(static_cast<size_t>(steps));
  for (int64_t head = 0; head < heads; ++head) {
    const int64_t offset = head * size;
    float largest = -INFINITY;
    for (int64_t t = 0; t < steps; ++t) {
      weights[t] = chained_dot(query + offset, key + t * width + offset, size) * scale;
      largest = std::max(largest, weights[t]);
    }
    float sum = 0;
    for (int64_t t = 0; t < steps; ++t) sum += weights[t] = std::exp(weights[t] - largest);
    float* result = out + offset;
    std::fill_n(result, size, 0.0f);
    for (int64_t t = 0; t < steps; ++t) {
      const float weight = weights[t] / sum;
      for (int64_t d = 0; d < size; ++d) result[d] += weight * value[t * width + offset + d];
    }
  }
}

}  // namespace tandem::engine
