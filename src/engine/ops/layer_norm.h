// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace tandem::engine {

// out[r] = (x[r] - mean) / sqrt(variance + eps) * weight + bias for rows [rows, width]; the
// variance is the mean square deviation. out may be x. Sums have a fixed order, so a row's bits
// depend on that row alone.
void layer_norm(const float* x, int64_t rows, int64_t width, const float* weight, const float* bias,
                float eps, float* out);

// A LayerNorm's parameters.
struct LayerNorm {
  std::vector<float> weight, bias;  // [D]
  float eps = 1e-5f;

  // In place.
  void apply(float* x, int64_t rows) const;
};

}  // namespace tandem::engine
