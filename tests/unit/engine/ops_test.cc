// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <vector>

#include "core/rng.h"
#include "engine/kernels/gelu.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/lru_scan.h"

namespace tandem::engine {
namespace {

TEST(Gelu, EqualsTheErfFormAtAnyLength) {
  for (const int64_t count : {1, 7, 16, 1003}) {
    std::vector<float> x(count);
    for (int64_t i = 0; i < count; ++i)
      x[i] = static_cast<float>(-9 + 18.0 * static_cast<double>(i) / static_cast<double>(count));
    std::vector<float> y = x;
    gelu(y.data(), count);
    for (int64_t i = 0; i < count; ++i) {
      const double want = 0.5 * x[i] * std::erfc(-double{x[i]} / std::sqrt(2.0));
      EXPECT_NEAR(y[i], want, 1e-6) << "x = " << x[i];  // 4e-7, and half an ulp of 9
    }
  }
}

TEST(Gelu, AnElementsBitsDependOnThatElementAlone) {
  float many[33], one = 0.7f;
  for (float& x : many) x = 0.7f;
  gelu(many, 33);
  gelu(&one, 1);
  for (const float x : many) EXPECT_EQ(x, one);
}

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

TEST(LruScan, EqualsTheComplexRecurrenceWithRowsAndPadding) {
  constexpr int64_t kSteps = 9, kChannels = 5;
  Rng rng(5);
  std::vector<float> h(kSteps * 2 * kChannels), lambda(2 * kChannels), state(2 * kChannels);
  for (std::vector<float>* values : {&h, &lambda, &state})
    for (float& v : *values) v = static_cast<float>(0.6 * rng.normal());
  const uint8_t carried[kSteps] = {1, 1, 0, 1, 1, 1, 0, 0, 1};
  const std::vector<float> u = h, before = state;
  lru_scan(h.data(), kSteps, kChannels, lambda.data(), carried, state.data());
  for (int64_t c = 0; c < kChannels; ++c) {
    const std::complex<double> l(lambda[c], lambda[kChannels + c]);
    std::complex<double> want(before[c], before[kChannels + c]);
    for (int64_t k = 0; k < kSteps; ++k) {
      const float* row = u.data() + k * 2 * kChannels;
      want = std::complex<double>(row[c], row[kChannels + c]) + (carried[k] ? l * want : 0.0);
      EXPECT_NEAR(h[k * 2 * kChannels + c], want.real(), 1e-6);
      EXPECT_NEAR(h[k * 2 * kChannels + kChannels + c], want.imag(), 1e-6);
    }
    EXPECT_EQ(state[c], h[(kSteps - 1) * 2 * kChannels + c]);
  }
}

}  // namespace
}  // namespace tandem::engine
