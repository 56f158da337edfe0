// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/layer_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/rng.h"

namespace tandem::engine {
namespace {

TEST(LayerNorm, EqualsTheDefinitionInDouble) {
  for (const int64_t width : {1, 3, 8, 21, 64}) {
    SCOPED_TRACE(width);
    Rng rng(3);
    std::vector<float> x(2 * width), weight(width), bias(width), out(2 * width);
    for (float& v : x) v = static_cast<float>(5 + rng.normal());
    for (float& v : weight) v = static_cast<float>(1 + rng.normal());
    for (float& v : bias) v = static_cast<float>(rng.normal());
    layer_norm(x.data(), 2, width, weight.data(), bias.data(), 1e-5f, out.data());
    for (int64_t row = 0; row < 2; ++row) {
      double mean = 0, square = 0;
      for (int64_t i = 0; i < width; ++i) mean += x[row * width + i] / static_cast<double>(width);
      for (int64_t i = 0; i < width; ++i)
        square += std::pow(x[row * width + i] - mean, 2) / static_cast<double>(width);
      for (int64_t i = 0; i < width; ++i) {
        const double want =
            (x[row * width + i] - mean) / std::sqrt(square + 1e-5) * weight[i] + bias[i];
        EXPECT_NEAR(out[row * width + i], want, 2e-5);
      }
    }
  }
}

}  // namespace
}  // namespace tandem::engine
