// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/vector_ops.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <numeric>
#include <vector>

#include "formats/half.h"
#include "support/random_values.h"

namespace tandem::engine {
namespace {

std::vector<float> random_values(int64_t count, uint64_t seed) {
  return test::random_values(count, seed, 3);
}

// 1 sign, 5 exponent and 10 fraction bits, read off directly.
double f16_value(uint16_t bits) {
  const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
  const double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == 31) return fraction ? std::nan("") : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

TEST(Narrow, RoundsAsTheScalarFunction) {
  // Every BF16 (NaNs, infinities and subnormals among them) with what decides the rounding.
  std::vector<float> values;
  for (uint32_t top = 0; top < 65536; ++top)
    for (const uint32_t low : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu})
      values.push_back(std::bit_cast<float>(top << 16 | low));
  values.resize(values.size() - 5);  // an odd tail
  std::vector<uint16_t> bits(values.size());
  narrow_bf16(values.data(), std::ssize(values), bits.data());
  for (size_t i = 0; i < values.size(); ++i)
    ASSERT_EQ(bits[i], float_to_bf16(values[i])) << std::bit_cast<uint32_t>(values[i]);
}

TEST(Widen, EveryHalfFloatIsExact) {
  std::vector<uint16_t> bits(65536);
  std::iota(bits.begin(), bits.end(), uint16_t{0});
  std::vector<float> f16(bits.size()), bf16(bits.size());
  widen_f16(bits.data(), 65536, f16.data());
  widen_bf16(bits.data(), 65536, bf16.data());
  for (const uint16_t b : bits) {
    const double want = f16_value(b);
    if (std::isnan(want)) {
      EXPECT_TRUE(std::isnan(f16[b])) << b;
    } else {
      EXPECT_EQ(f16[b], want) << b;
      EXPECT_EQ(std::signbit(f16[b]), (b & 0x8000) != 0) << b;
    }
    EXPECT_EQ(std::bit_cast<uint32_t>(bf16[b]), uint32_t{b} << 16) << b;
  }
}

TEST(Widen, ShortRowsWriteNothingBehindTheirEnd) {
  std::vector<uint16_t> bits(40, 0x3c00);  // one
  for (int64_t count = 0; count < 40; ++count) {
    std::vector<float> out(41, -7);
    widen_f16(bits.data(), count, out.data());
    for (int64_t i = 0; i < 41; ++i) EXPECT_EQ(out[i], i < count ? 1 : -7) << count << ", " << i;
  }
}

constexpr int64_t kCounts[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 100, 257};

TEST(RmsNormRow, EqualsTheFormula) {
  for (const int64_t count : kCounts) {
    const std::vector<float> x = random_values(count, 1), weight = random_values(count, 2);
    std::vector<float> out(count);
    rms_norm_row(x.data(), count, weight.data(), 1e-5f, out.data());
    double squares = 0;
    for (const float v : x) squares += double{v} * v;
    const double scale = 1 / std::sqrt(squares / static_cast<double>(count) + 1e-5);
    for (int64_t i = 0; i < count; ++i)
      EXPECT_NEAR(out[i], x[i] * scale * weight[i], 1e-5) << count << ", " << i;
  }
}

TEST(SoftmaxRow, EqualsTheFormulaAlsoForLargeNumbers) {
  for (const int64_t count : kCounts) {
    for (const float shift : {0.0f, 1e4f, -1e4f}) {
      std::vector<float> x = random_values(count, 3);
      for (float& v : x) v += shift;
      std::vector<double> want;
      double top = x[0], sum = 0;
      for (const float v : x) top = std::max(top, double{v});
      for (const float v : x) sum += std::exp(v - top);
      for (const float v : x) want.push_back(std::exp(v - top) / sum);
      softmax_row(x.data(), count);
      for (int64_t i = 0; i < count; ++i) EXPECT_NEAR(x[i], want[i], 1e-6) << count << ", " << i;
    }
  }
}

TEST(SiluMultiply, EqualsTheFormulaAlsoFarOut) {
  for (const int64_t count : kCounts) {
    std::vector<float> gate = random_values(count, 4);
    gate[0] = 200;  // exp(-200) is no float
    if (count > 1) gate[1] = -200;
    const std::vector<float> before = gate, up = random_values(count, 5);
    silu_multiply(gate.data(), up.data(), count);
    for (int64_t i = 0; i < count; ++i) {
      const double want = before[i] / (1 + std::exp(-double{before[i]})) * up[i];
      EXPECT_NEAR(gate[i], want, 1e-6 * std::max(1.0, std::abs(want))) << count << ", " << i;
    }
  }
}

}  // namespace
}  // namespace tandem::engine
