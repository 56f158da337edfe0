// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/layer_norm.h"

#include <cmath>

namespace tandem::engine {
namespace {

constexpr int64_t kLanes = 8;  // partial sums, in a fixed order whatever the vector width

float sum_lanes(const float (&lanes)[kLanes]) {
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
         ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

// Sum of term(i) over i in 0..count-1.
template <typename Term>
float lane_sum(int64_t count, const Term& term) {
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(i + lane);
  for (; i < count; ++i) lanes[i % kLanes] += term(i);
  return sum_lanes(lanes);
}

}  // namespace

void layer_norm(const float* x, int64_t rows, int64_t width, const float* weight, const float* bias,
                float eps, float* out) {
  const float scale = 1.0f / static_cast<float>(width);
  for (int64_t row = 0; row < rows; ++row, x += width, out += width) {
    const float mean = lane_sum(width, [&](int64_t i) { return x[i]; }) * scale;
    const float square = lane_sum(width, [&](int64_t i) { return (x[i] - mean) * (x[i] - mean); });
    const float inverse = 1.0f / std::sqrt(square * scale + eps);
    for (int64_t i = 0; i < width; ++i) out[i] = (x[i] - mean) * inverse * weight[i] + bias[i];
  }
}

void LayerNorm::apply(float* x, int64_t rows) const {
  layer_norm(x, rows, static_cast<int64_t>(weight.size()), weight.data(), bias.data(), eps, x);
}

}  // namespace tandem::engine
