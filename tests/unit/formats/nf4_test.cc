// SPDX-License-Identifier: Apache-2.0
#include "formats/nf4.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/rng.h"
#include "formats/half.h"

namespace tandem {
namespace {

std::vector<float> normal(int64_t count, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = static_cast<float>(rng.normal());
  return values;
}

std::vector<float> whole(const Nf4Tensor& w) {
  std::vector<float> out(static_cast<size_t>(w.count()));
  w.dequantize(0, w.count(), out.data());
  return out;
}

TEST(Nf4, ABlockByHand) {
  // Maximum 2 at element 1: scaled values are halves of these.
  std::vector<float> values(64, 0.0f);
  values[0] = 1.4f;  // 0.7: above the midpoint 0.643 of codes 13 and 14
  values[1] = -2;
  values[2] = 2 * (kNf4Table[9] + kNf4Table[10]) / 2;  // at a midpoint: the lower code
  const std::vector<int64_t> shape = {8, 8};
  const Nf4Tensor w = nf4_quantize(values, shape);
  ASSERT_EQ(w.absmax.size(), 1u);
  EXPECT_EQ(w.absmax[0], 2);
  EXPECT_EQ(w.codes[0], 14 << 4 | 0);
  EXPECT_EQ(w.codes[1], 9 << 4 | 7);
  EXPECT_EQ(w.codes[31], 7 << 4 | 7);
  EXPECT_EQ(whole(w)[1], -2);
  EXPECT_EQ(whole(w)[2], 2 * kNf4Table[9]);
}

TEST(Nf4, AShortLastBlockAndAnOddCount) {
  const std::vector<float> values = normal(131, 1);
  const std::vector<int64_t> shape = {131};
  const Nf4Tensor w = nf4_quantize(values, shape);
  EXPECT_EQ(w.codes.size(), 66u);
  EXPECT_EQ(w.absmax.size(), 3u);
  EXPECT_EQ(w.codes[65] & 15, 7);  // padding
  const std::vector<float> back = whole(w);
  for (size_t i = 0; i < values.size(); ++i)
    EXPECT_LE(std::abs(back[i] - values[i]), 0.16f * w.absmax[i / 64]) << i;
}

TEST(Nf4, AnyRangeEqualsThatPartOfTheWhole) {
  const std::vector<float> values = normal(7 * 45, 2);
  const std::vector<int64_t> shape = {7, 45};
  for (const bool nested : {false, true}) {
    const Nf4Tensor w = nf4_quantize(values, shape, {.double_quant = nested});
    const std::vector<float> all = whole(w);
    for (const auto& [begin, count] :
         {std::pair{0, 0}, {0, 1}, {63, 2}, {1, 200}, {64, 64}, {127, 188}, {314, 1}}) {
      std::vector<float> part(static_cast<size_t>(count));
      std::vector<uint16_t> half(static_cast<size_t>(count));
      w.dequantize(begin, count, part.data());
      w.dequantize_bf16(begin, count, half.data());
      for (int i = 0; i < count; ++i) {
        EXPECT_EQ(part[i], all[begin + i]) << begin << " + " << i;
        EXPECT_EQ(half[i], float_to_bf16(all[begin + i])) << begin << " + " << i;
      }
    }
  }
}

TEST(Nf4, DoubleQuantisationKeepsScalesWithinItsSteps) {
  const std::vector<float> values = normal(64 * 600, 3);  // 600 blocks, three groups
  const std::vector<int64_t> shape = {600, 64};
  const Nf4Tensor plain = nf4_quantize(values, shape);
  for (const auto rule : {Nf4SecondLevel::kSearch, Nf4SecondLevel::kTable}) {
    const Nf4Tensor w = nf4_quantize(values, shape, {.double_quant = true, .second_level = rule});
    EXPECT_TRUE(w.absmax.empty());
    EXPECT_EQ(w.absmax_codes.size(), 600u);
    EXPECT_EQ(w.absmax2.size(), 3u);
    EXPECT_EQ(w.bytes(), 64 * 600 / 2 + 600 + 3 * 4);
    for (int64_t b = 0; b < 600; ++b)  // steps of the dynamic map are at most 0.0143
      EXPECT_LE(std::abs(w.scale(b) - plain.absmax[b]), 0.0075f * w.absmax2[b / 256]) << b;
  }
}

TEST(Nf4, ZerosStayZeros) {
  const std::vector<float> values(130, 0.0f);
  const std::vector<int64_t> shape = {130};
  for (const bool nested : {false, true}) {
    const Nf4Tensor w = nf4_quantize(values, shape, {.double_quant = nested});
    for (const float v : whole(w)) EXPECT_EQ(v, 0);
    EXPECT_EQ(w.codes[0], 0x77);
  }
}

TEST(Nf4, SizesThatDoNotFitAreRefused) {
  const std::vector<float> values = normal(128, 4);
  const std::vector<int64_t> shape = {2, 64};
  const Nf4Tensor good = nf4_quantize(values, shape, {.double_quant = true});
  good.validate("w");
  Nf4Tensor w = good;
  w.codes = w.codes.first(63);
  EXPECT_THROW(w.validate("w"), FormatError);
  w = good;
  w.absmax2 = {};
  EXPECT_THROW(w.validate("w"), FormatError);
  w = good;
  w.block = 48;
  EXPECT_THROW(w.validate("w"), FormatError);
  w = good;
  w.shape = {int64_t{1} << 32, int64_t{1} << 32};
  EXPECT_THROW(w.validate("w"), FormatError);
}

TEST(Half, EveryF16ComesBack) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = f16_to_float(static_cast<uint16_t>(bits));
    if (value != value) {
      EXPECT_NE(f16_to_float(float_to_f16(value)), f16_to_float(float_to_f16(value)));
    } else {
      EXPECT_EQ(float_to_f16(value), bits);
    }
  }
}

TEST(Half, NarrowingRoundsToEven) {
  EXPECT_EQ(float_to_f16(1 + 0x1p-11f), 0x3c00);  // half way, down to even
  EXPECT_EQ(float_to_f16(1 + 3 * 0x1p-11f), 0x3c02);
  EXPECT_EQ(float_to_f16(0x1p-25f), 0);
  EXPECT_EQ(float_to_f16(0x1.8p-25f), 1);
  EXPECT_EQ(float_to_f16(65519.0f), 0x7bff);
  EXPECT_EQ(float_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_bf16(1 + 0x1p-8f), 0x3f80);
  EXPECT_EQ(float_to_bf16(1 + 3 * 0x1p-8f), 0x3f82);
  EXPECT_EQ(float_to_bf16(-0x1p-133f), 0x8001);  // the smallest subnormal
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(bf16_to_float(float_to_bf16(nan)), bf16_to_float(float_to_bf16(nan)));
}

}  // namespace
}  // namespace tandem
