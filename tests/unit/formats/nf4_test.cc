// SPDX-License-Identifier: Apache-2.0
#include "formats/nf4.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/rng.h"
#include "formats/half.h"

namespace tandem {
namespace {

std::vector<float> normal(int64_t count, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(rng.normal());
  return values;
}

std::vector<float> whole(const Nf4Tensor& w) {
  std::vector<float> out(w.count());
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

TEST(Nf4, TheTableIsQlorasOwn) {
  // Dettmers et al., Appendix E.
  const float table[] = {-1.0f,
                         -0.6961928009986877f,
                         -0.5250730514526367f,
                         -0.39491748809814453f,
                         -0.28444138169288635f,
                         -0.18477343022823334f,
                         -0.09105003625154495f,
                         0.0f,
                         0.07958029955625534f,
                         0.16093020141124725f,
                         0.24611230194568634f,
                         0.33791524171829224f,
                         0.44070982933044434f,
                         0.5626170039176941f,
                         0.7229568362236023f,
                         1.0f};
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(kNf4Table[i], table[i]) << i;
}

// bitsandbytes' create_dynamic_map: decade i of seven, 10^(i - 6), has 2^i values, the middles of
// equal parts of [0.1, 1], of either sign; then 0 and 1.
TEST(Nf4, TheSecondLevelsMapIsBitsandbytes) {
  std::vector<double> map{0, 1};
  for (int i = 0; i < 7; ++i) {
    const int parts = 1 << i;
    for (int k = 0; k < parts; ++k) {
      const double value = std::pow(10.0, i - 6) * (0.1 + 0.9 * (k + 0.5) / parts);
      map.insert(map.end(), {value, -value});
    }
  }
  std::sort(map.begin(), map.end());
  ASSERT_EQ(map.size(), 256u);
  for (size_t i = 0; i < 256; ++i)
    EXPECT_NEAR(nf4_dynamic_map()[i], map[i], 2e-7 * std::abs(map[i])) << i;
}

// Five blocks of two elements in groups of two blocks: absmax = map[code] * absmax2[group] +
// offset.
TEST(Nf4, DoubleQuantisationByHand) {
  const std::vector<uint8_t> codes = {0x0F, 0xF0, 0x7F, 0xFE, 0xF7};
  const std::vector<uint8_t> absmax_codes = {255, 127, 255, 127, 255};
  const std::vector<float> absmax2 = {4, 8, 0.5f};
  Nf4Tensor w{.shape = {10},
              .block = 2,
              .nested_block = 2,
              .codes = codes,
              .absmax_codes = absmax_codes,
              .absmax2 = absmax2,
              .offset = 0.25f};
  w.validate("w");
  const float scales[] = {4.25f, 0.25f, 8.25f, 0.25f, 0.75f};
  for (int64_t b = 0; b < 5; ++b) EXPECT_EQ(w.scale(b), scales[b]) << b;
  EXPECT_EQ(whole(w), (std::vector<float>{-4.25f, 4.25f, 0.25f, -0.25f, 0, 8.25f, 0.25f,
                                          0.25f * kNf4Table[14], 0.75f, 0}));
  std::vector<float> map(256, 0.5f);  // a file's own map goes before the usual one
  map[127] = -1;
  w.nested_map = map;
  EXPECT_EQ(w.scale(0), 2.25f);
  EXPECT_EQ(w.scale(1), -3.75f);
}

// Maxima 1, 2 and 6: offset 3, so -2/3, -1/3 and 1 of the largest distance 3. In the last decade's
// steps of 0.9/64 the nearest values are -0.66953 (code 23) and -0.33203 (code 47).
TEST(Nf4, TheSecondLevelIsQuantisedByHand) {
  std::vector<float> values(3 * 64, 0.0f);
  values[5] = 1;
  values[64] = -2;
  values[191] = 6;
  const std::vector<int64_t> shape = {3, 64};
  for (const auto rule : {Nf4SecondLevel::kSearch, Nf4SecondLevel::kTable}) {
    const Nf4Tensor w = nf4_quantize(values, shape, {.double_quant = true, .second_level = rule});
    EXPECT_EQ(w.block, 64);
    EXPECT_EQ(w.nested_block, 256);
    EXPECT_EQ(w.offset, 3);
    ASSERT_EQ(w.absmax2.size(), 1u);
    EXPECT_EQ(w.absmax2[0], 3);
    EXPECT_EQ(std::vector<uint8_t>(w.absmax_codes.begin(), w.absmax_codes.end()),
              (std::vector<uint8_t>{23, 47, 255}));
    EXPECT_NEAR(w.scale(0), 3 - 3 * 0.66953125, 1e-6);
    EXPECT_NEAR(w.scale(1), 3 - 3 * 0.33203125, 1e-6);
    EXPECT_EQ(whole(w)[191], 6);
  }
}

// 256 blocks are a group: maxima of 1, and 258 in a group of its own. The offset is their mean, 2.
TEST(Nf4, AGroupOfMaximaIsOf256Blocks) {
  std::vector<float> values(257 * 64, 1.0f);
  values.back() = 258;
  const std::vector<int64_t> shape = {257, 64};
  const Nf4Tensor w = nf4_quantize(values, shape, {.double_quant = true});
  EXPECT_EQ(w.offset, 2);
  EXPECT_EQ(std::vector<float>(w.absmax2.begin(), w.absmax2.end()), (std::vector<float>{1, 256}));
  EXPECT_EQ(w.absmax_codes[255], 0);  // the map's lowest value is -0.99297, not -1
  EXPECT_NEAR(w.scale(255), 2 - 0.99296875, 1e-6);
  EXPECT_EQ(w.scale(256), 258);
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
      std::vector<float> part(count);
      std::vector<uint16_t> half(count);
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

}  // namespace
}  // namespace tandem
