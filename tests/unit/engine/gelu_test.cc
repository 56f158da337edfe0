// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/gelu.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

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

}  // namespace
}  // namespace tandem::engine
