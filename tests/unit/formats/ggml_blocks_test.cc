// SPDX-License-Identifier: Apache-2.0
// Each block type of ggml by bytes: a few elements worked out by hand, and all elements of blocks
// of random bytes from the format's description, element by element.
#include "formats/ggml_blocks.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <vector>

#include "core/rng.h"

namespace tandem {
namespace {

using Bytes = std::vector<uint8_t>;

std::vector<float> decode(GgmlType type, const Bytes& bytes) {
  const GgmlTypeInfo& info = ggml_type_info(type);
  std::vector<float> values(bytes.size() / static_cast<size_t>(info.block_bytes) *
                            static_cast<size_t>(info.block));
  ggml_dequantize(type, std::as_bytes(std::span(bytes)), values.data());
  return values;
}

TEST(GgmlTypes, HaveTheSizesOfTheFormat) {
  struct Want {
    uint32_t number;
    const char* name;
    int64_t block, bytes;
  };
  for (const Want& want :
       {Want{0, "F32", 1, 4}, Want{1, "F16", 1, 2}, Want{2, "Q4_0", 32, 18},
        Want{3, "Q4_1", 32, 20}, Want{6, "Q5_0", 32, 22}, Want{7, "Q5_1", 32, 24},
        Want{8, "Q8_0", 32, 34}, Want{10, "Q2_K", 256, 84}, Want{11, "Q3_K", 256, 110},
        Want{12, "Q4_K", 256, 144}, Want{13, "Q5_K", 256, 176}, Want{14, "Q6_K", 256, 210},
        Want{20, "IQ4_NL", 32, 18}, Want{23, "IQ4_XS", 256, 136}, Want{30, "BF16", 1, 2}}) {
    const auto info = ggml_type_info(want.number);
    ASSERT_TRUE(info) << want.name;
    EXPECT_EQ(info->name, want.name);
    EXPECT_EQ(info->block, want.block) << want.name;
    EXPECT_EQ(info->block_bytes, want.bytes) << want.name;
    EXPECT_EQ(ggml_type_named(want.name)->type, info->type);
  }
  EXPECT_FALSE(ggml_type_info(uint32_t{4}));
  EXPECT_FALSE(ggml_type_named("Q4_2"));
}

// A block of zero bytes but for these.
struct ByHand {
  GgmlType type;
  std::map<size_t, uint8_t> bytes;
  std::map<size_t, float> values;  // some elements
};

// f16: 0x3800 is 0.5, 0x3C00 1, 0x4000 2, 0x3400 0.25, 0xBC00 -1; the low byte comes first.
const ByHand kByHand[] = {
    {GgmlType::kF32, {{3, 0x3F}, {2, 0xC0}}, {{0, 1.5f}}},
    {GgmlType::kF16, {{1, 0x38}}, {{0, 0.5f}}},
    {GgmlType::kBf16, {{1, 0xC0}, {0, 0x20}}, {{0, -2.5f}}},
    // 2 (q - 8): nibbles 1 and 15 of byte 0, 15 and 0 of byte 15.
    {GgmlType::kQ4_0,
     {{1, 0x40}, {2, 0xF1}, {17, 0x0F}},
     {{0, -14}, {16, 14}, {15, 14}, {31, -16}, {1, -16}}},
    // 0.5 q - 1.
    {GgmlType::kQ4_1, {{1, 0x38}, {3, 0xBC}, {4, 0xA3}}, {{0, 0.5f}, {16, 4}, {1, -1}, {31, -1}}},
    // q - 16, fifth bits of elements 0, 17 and 31.
    {GgmlType::kQ5_0,
     {{1, 0x3C}, {2, 0x01}, {4, 0x02}, {5, 0x80}, {6, 0x23}, {21, 0x50}},
     {{0, 3}, {16, -14}, {17, 0}, {31, 5}, {15, -16}, {1, -16}}},
    // 0.5 q + 2.
    {GgmlType::kQ5_1,
     {{1, 0x38}, {3, 0x40}, {4, 0x01}, {6, 0x01}, {8, 0x23}},
     {{0, 11.5f}, {16, 11}, {1, 2}}},
    {GgmlType::kQ8_0, {{1, 0x38}, {2, 3}, {33, 0x80}}, {{0, 1.5f}, {31, -64}, {1, 0}}},
    // d = 0.5 at byte 80, dmin = 0.25 at 82. Part 0 has scale 3 and minimum 5, part 2 2 and 1, part
    // 4 15 and 0, part 6 1 and 2, part 8 (the second half) 1 and 0; codes 0, 1, 2, 3 in byte 16.
    {GgmlType::kQ2K,
     {{81, 0x38},
      {83, 0x34},
      {0, 0x53},
      {2, 0x12},
      {4, 0x0F},
      {6, 0x21},
      {8, 0x01},
      {16, 0xE4},
      {48, 0x02}},
     {{0, -1.25f}, {32, 0.75f}, {64, 15}, {96, 1}, {128, 1}, {16, 0}}},
    // d = 0.5. Scale 0 is 0b10'0101 - 32 = 5, scale 8 0b01'0011 - 32 = -13, scale 15 0b11'0001 - 32
    // = 17. The high bit of element 0 is set, of the others it is not, which takes 4 off.
    {GgmlType::kQ3K,
     {{109, 0x38},
      {96, 0x35},
      {103, 0x10},
      {104, 0x12},
      {107, 0xC0},
      {0, 0x01},
      {32, 0x03},
      {64, 0x02}},
     {{0, 7.5f}, {1, -10}, {128, 13}, {240, -34}}},
    // d = 0.5, dmin = 2. Scale 0 is 3 and minimum 0 is 1; scale 4 is 0b01'0010 = 18 and minimum 4
    // 0b10'0001 = 33 (low bits in byte 8 of the twelve, high ones in bytes 0 and 4).
    {GgmlType::kQ4K,
     {{1, 0x38}, {3, 0x40}, {4, 0x43}, {8, 0x81}, {12, 0x12}, {16, 0x0A}, {80, 0x05}},
     {{0, 13}, {1, -2}, {32, 0}, {128, -21}, {129, -66}}},
    // The same scales; element 0 has code 10 + 16, element 128 5 + 16.
    {GgmlType::kQ5K,
     {{1, 0x38}, {3, 0x40}, {4, 0x43}, {8, 0x81}, {12, 0x12}, {16, 0x11}, {48, 0x0A}, {112, 0x05}},
     {{0, 37}, {1, -2}, {128, 123}, {129, -66}}},
    // d = 0.5 at byte 208. Scale 0 is 3, scale 4 (elements 64 to 79) -2, scale 8 1. Codes: element
    // 0 0b10'0101 - 32 = 5, 64 0b01'1001 - 32 = -7, 128 0 - 32.
    {GgmlType::kQ6K,
     {{209, 0x38}, {192, 3}, {196, 0xFE}, {200, 1}, {0, 0x95}, {128, 0x12}},
     {{0, 7.5f}, {64, 7}, {1, -48}, {128, -16}}},
    // Levels 0 (-127), 8 (1) and 15 (113).
    {GgmlType::kIq4Nl, {{1, 0x38}, {2, 0xF8}}, {{0, 0.5f}, {16, 56.5f}, {1, -63.5f}}},
    // Scale 0 is 0b10'0001 - 32 = 1, scale 1 0b01'0010 - 32 = -14, the others -32.
    {GgmlType::kIq4Xs,
     {{1, 0x38}, {2, 0x06}, {4, 0x21}, {8, 0xF8}, {24, 0x0C}},
     {{0, 0.5f}, {16, 56.5f}, {1, -63.5f}, {32, -371}, {64, 2032}}},
};

TEST(GgmlBlocks, ByHand) {
  for (const ByHand& one : kByHand) {
    const GgmlTypeInfo& info = ggml_type_info(one.type);
    SCOPED_TRACE(info.name);
    Bytes bytes(static_cast<size_t>(info.block_bytes));
    for (const auto& [at, byte] : one.bytes) bytes.at(at) = byte;
    const std::vector<float> values = decode(one.type, bytes);
    for (const auto& [element, value] : one.values) EXPECT_EQ(values.at(element), value) << element;
  }
}

// A number of f16, from its bits: sign, five bits of exponent, ten of fraction.
double half(const uint8_t* at) {
  const int bits = at[0] | at[1] << 8, exponent = bits >> 10 & 31;
  const double fraction = (bits & 1023) / 1024.0;
  const double size =
      exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1 + fraction, exponent - 15);
  return bits >> 15 ? -size : size;
}

// Bits [at, at + count) of a little-endian run of bits.
int bits_of(const uint8_t* bytes, size_t at, size_t count) {
  int value = 0;
  for (size_t i = 0; i < count; ++i) value |= (bytes[(at + i) / 8] >> (at + i) % 8 & 1) << i;
  return value;
}

// In the 256-element types 64 (or 128) elements share 32 bytes: element e has `width` bits of byte
// e % 32 of its group, those of its turn.
int packed(const uint8_t* bytes, size_t e, size_t width) {
  const size_t turns = 8 / width, group = e / (32 * turns), turn = e / 32 % turns;
  return bits_of(bytes + 32 * group + e % 32, width * turn, width);
}

// Six-bit scale (which 0) or minimum (which 1) j of Q4_K and Q5_K: the first four are the low bits
// of bytes 0-3 (4-7); of the last four the low bits are a nibble of bytes 8-11, the high ones the
// top of those bytes.
int k_scale(const uint8_t* twelve, size_t j, size_t which) {
  const uint8_t* own = twelve + 4 * which;
  if (j < 4) return own[j] % 64;
  return bits_of(twelve + 4 + j, 4 * which, 4) + 16 * (own[j - 4] / 64);
}

constexpr std::array<int, 16> kLevels = {-127, -104, -83, -65, -49, -35, -22, -10,
                                         1,    13,   25,  38,  53,  69,  89,  113};

using Element = std::function<double(const uint8_t* b, size_t e)>;
const std::map<GgmlType, Element> kElements = {
    {GgmlType::kQ4_0,
     [](const uint8_t* b, size_t e) {
       return half(b) * (bits_of(b + 2 + e % 16, e / 16 * 4, 4) - 8);
     }},
    {GgmlType::kQ4_1,
     [](const uint8_t* b, size_t e) {
       return half(b) * bits_of(b + 4 + e % 16, e / 16 * 4, 4) + half(b + 2);
     }},
    {GgmlType::kQ5_0,
     [](const uint8_t* b, size_t e) {
       return half(b) * (bits_of(b + 6 + e % 16, e / 16 * 4, 4) + 16 * bits_of(b + 2, e, 1) - 16);
     }},
    {GgmlType::kQ5_1,
     [](const uint8_t* b, size_t e) {
       return half(b) * (bits_of(b + 8 + e % 16, e / 16 * 4, 4) + 16 * bits_of(b + 4, e, 1)) +
              half(b + 2);
     }},
    {GgmlType::kQ8_0,
     [](const uint8_t* b, size_t e) {
       return half(b) * (b[2 + e] < 128 ? b[2 + e] : b[2 + e] - 256);
     }},
    {GgmlType::kQ2K,
     [](const uint8_t* b, size_t e) {
       const int scale = b[e / 16];
       return half(b + 80) * (scale % 16) * packed(b + 16, e, 2) - half(b + 82) * (scale / 16);
     }},
    {GgmlType::kQ3K,
     [](const uint8_t* b, size_t e) {
       const size_t part = e / 16;
       const int scale = bits_of(b + 96 + part % 8, part / 8 * 4, 4) +
                         16 * bits_of(b + 104 + part % 4, part / 4 * 2, 2) - 32;
       const int high = bits_of(b + e % 32, e / 32, 1);
       return half(b + 108) * scale * (packed(b + 32, e, 2) + 4 * high - 4);
     }},
    {GgmlType::kQ4K,
     [](const uint8_t* b, size_t e) {
       return half(b) * k_scale(b + 4, e / 32, 0) * packed(b + 16, e, 4) -
              half(b + 2) * k_scale(b + 4, e / 32, 1);
     }},
    {GgmlType::kQ5K,
     [](const uint8_t* b, size_t e) {
       const int code = packed(b + 48, e, 4) + 16 * bits_of(b + 16 + e % 32, e / 32, 1);
       return half(b) * k_scale(b + 4, e / 32, 0) * code - half(b + 2) * k_scale(b + 4, e / 32, 1);
     }},
    {GgmlType::kQ6K,
     [](const uint8_t* b, size_t e) {
       // 128 elements share 64 bytes of low nibbles: the first 64 the low ones of all.
       const size_t in_half = e % 128;
       const int low = bits_of(b + e / 128 * 64 + in_half % 64, in_half / 64 * 4, 4);
       const int scale = b[192 + e / 16] < 128 ? b[192 + e / 16] : b[192 + e / 16] - 256;
       return half(b + 208) * scale * (low + 16 * packed(b + 128, e, 2) - 32);
     }},
    {GgmlType::kIq4Nl,
     [](const uint8_t* b, size_t e) {
       return half(b) * kLevels[bits_of(b + 2 + e % 16, e / 16 * 4, 4)];
     }},
    {GgmlType::kIq4Xs,
     [](const uint8_t* b, size_t e) {
       const size_t part = e / 32, within = e % 32;
       const int scale = bits_of(b + 4, 4 * part, 4) + 16 * bits_of(b + 2, 2 * part, 2) - 32;
       const int code = bits_of(b + 8 + 16 * part + within % 16, within / 16 * 4, 4);
       return half(b) * scale * kLevels[code];
     }},
};

TEST(GgmlBlocks, EveryElementOfRandomBlocks) {
  Rng rng(4);
  for (const auto& [type, element] : kElements) {
    const GgmlTypeInfo& info = ggml_type_info(type);
    SCOPED_TRACE(info.name);
    const auto size = static_cast<size_t>(info.block_bytes),
               count = static_cast<size_t>(info.block);
    Bytes bytes(3 * size);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(rng.below(256));
    // Scales of the usual size in place of any f16, which may be infinite.
    for (size_t block = 0; block < 3; ++block) {
      const size_t d = type == GgmlType::kQ2K   ? 80
                       : type == GgmlType::kQ3K ? 108
                       : type == GgmlType::kQ6K ? 208
                                                : 0;
      bytes[block * size + d + 1] = static_cast<uint8_t>(0x24 + rng.below(8));
      const bool has_minimum = type == GgmlType::kQ4_1 || type == GgmlType::kQ5_1 ||
                               type == GgmlType::kQ2K || type == GgmlType::kQ4K ||
                               type == GgmlType::kQ5K;
      if (has_minimum) bytes[block * size + d + 3] = static_cast<uint8_t>(0x24 + rng.below(8));
    }
    const std::vector<float> found = decode(type, bytes);
    ASSERT_EQ(found.size(), 3 * count);
    for (size_t i = 0; i < found.size(); ++i) {
      const double wanted = element(bytes.data() + i / count * size, i % count);
      // Float32 where a minimum is taken off a product.
      EXPECT_NEAR(found[i], wanted, 1e-6 * (std::abs(wanted) + 10)) << "element " << i;
    }
  }
}

}  // namespace
}  // namespace tandem
