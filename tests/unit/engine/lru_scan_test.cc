// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/lru_scan.h"

#include <gtest/gtest.h>

#include <complex>
#include <vector>

#include "core/rng.h"

namespace tandem::engine {
namespace {

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
