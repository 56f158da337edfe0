// SPDX-License-Identifier: Apache-2.0
#include "formats/ggml_blocks.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/check.h"
#include "formats/half.h"

namespace tandem {
namespace {

constexpr std::array kTypes = {
    GgmlTypeInfo{GgmlType::kF32, "F32", 1, 4},
    GgmlTypeInfo{GgmlType::kF16, "F16", 1, 2},
    GgmlTypeInfo{GgmlType::kBf16, "BF16", 1, 2},
    GgmlTypeInfo{GgmlType::kQ4_0, "Q4_0", 32, 18},
    GgmlTypeInfo{GgmlType::kQ4_1, "Q4_1", 32, 20},
    GgmlTypeInfo{GgmlType::kQ5_0, "Q5_0", 32, 22},
    GgmlTypeInfo{GgmlType::kQ5_1, "Q5_1", 32, 24},
    GgmlTypeInfo{GgmlType::kQ8_0, "Q8_0", 32, 34},
    GgmlTypeInfo{GgmlType::kQ2K, "Q2_K", 256, 84},
    GgmlTypeInfo{GgmlType::kQ3K, "Q3_K", 256, 110},
    GgmlTypeInfo{GgmlType::kQ4K, "Q4_K", 256, 144},
    GgmlTypeInfo{GgmlType::kQ5K, "Q5_K", 256, 176},
    GgmlTypeInfo{GgmlType::kQ6K, "Q6_K", 256, 210},
    GgmlTypeInfo{GgmlType::kIq4Nl, "IQ4_NL", 32, 18},
    GgmlTypeInfo{GgmlType::kIq4Xs, "IQ4_XS", 256, 136},
};

// The 16 levels of the IQ4 types.
constexpr std::array<int8_t, 16> kIq4Levels = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};

uint16_t load16(const uint8_t* at) {
  uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

float load_half(const uint8_t* at) { return f16_to_float(load16(at)); }

// Each block_NAME decodes one block: b its bytes, y its elements.

void block_f32(const uint8_t* b, float* y) { std::memcpy(y, b, sizeof(float)); }
void block_f16(const uint8_t* b, float* y) { *y = load_half(b); }
void block_bf16(const uint8_t* b, float* y) { *y = bf16_to_float(load16(b)); }

// Byte j of a block of 32 has element j in its low nibble, element j + 16 in its high one.
void block_q4_0(const uint8_t* b, float* y) {
  const float d = load_half(b);
  for (int j = 0; j < 16; ++j) {
    const int q = b[2 + j];
    y[j] = static_cast<float>((q & 15) - 8) * d;
    y[j + 16] = static_cast<float>((q >> 4) - 8) * d;
  }
}

void block_q4_1(const uint8_t* b, float* y) {
  const float d = load_half(b), low = load_half(b + 2);
  for (int j = 0; j < 16; ++j) {
    const int q = b[4 + j];
    y[j] = static_cast<float>(q & 15) * d + low;
    y[j + 16] = static_cast<float>(q >> 4) * d + low;
  }
}

// The fifth bits of the 32 elements, as one number.
uint32_t fifth_bits(const uint8_t* at) {
  uint32_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return bits;
}

void block_q5_0(const uint8_t* b, float* y) {
  const float d = load_half(b);
  const uint32_t high = fifth_bits(b + 2);
  for (int j = 0; j < 16; ++j) {
    const int q = b[6 + j];
    y[j] = static_cast<float>(((q & 15) | static_cast<int>(high >> j & 1) << 4) - 16) * d;
    y[j + 16] = static_cast<float>((q >> 4 | static_cast<int>(high >> (j + 16) & 1) << 4) - 16) * d;
  }
}

void block_q5_1(const uint8_t* b, float* y) {
  const float d = load_half(b), low = load_half(b + 2);
  const uint32_t high = fifth_bits(b + 4);
  for (int j = 0; j < 16; ++j) {
    const int q = b[8 + j];
    y[j] = static_cast<float>((q & 15) | static_cast<int>(high >> j & 1) << 4) * d + low;
    y[j + 16] = static_cast<float>(q >> 4 | static_cast<int>(high >> (j + 16) & 1) << 4) * d + low;
  }
}

void block_q8_0(const uint8_t* b, float* y) {
  const float d = load_half(b);
  for (int j = 0; j < 32; ++j) y[j] = static_cast<float>(static_cast<int8_t>(b[2 + j])) * d;
}

// 16 parts of 16 elements, a 4-bit scale and a 4-bit minimum each; four elements share a byte.
void block_q2_k(const uint8_t* b, float* y) {
  const uint8_t *scales = b, *q = b + 16;
  const float d = load_half(b + 80), low = load_half(b + 82);
  for (int half = 0; half < 2; ++half, q += 32) {
    for (int shift = 0; shift < 8; shift += 2) {
      for (int part = 0; part < 2; ++part) {
        const int scale = *scales++;
        const float step = d * static_cast<float>(scale & 15);
        const float minimum = low * static_cast<float>(scale >> 4);
        for (int l = 0; l < 16; ++l)
          *y++ = step * static_cast<float>(q[16 * part + l] >> shift & 3) - minimum;
      }
    }
  }
}

// The 16 six-bit scales of Q3_K: low nibbles in bytes 0 to 7, high pairs in bytes 8 to 11.
std::array<int, 16> q3_scales(const uint8_t* b) {
  std::array<int, 16> scales;
  for (int i = 0; i < 16; ++i) {
    const int low = i < 8 ? b[i] & 15 : b[i - 8] >> 4;
    scales[i] = (low | (b[8 + i % 4] >> 2 * (i / 4) & 3) << 4) - 32;
  }
  return scales;
}

void block_q3_k(const uint8_t* b, float* y) {
  const uint8_t *high = b, *q = b + 32;
  const auto scales = q3_scales(b + 96);
  const float d = load_half(b + 108);
  size_t next = 0;
  int bit = 0;
  for (int half = 0; half < 2; ++half, q += 32) {
    for (int shift = 0; shift < 8; shift += 2, ++bit) {
      for (int part = 0; part < 32; part += 16) {
        const float step = d * static_cast<float>(scales[next++]);
        for (int l = part; l < part + 16; ++l) {
          const int low = q[l] >> shift & 3;
          *y++ = step * static_cast<float>(low - (high[l] >> bit & 1 ? 0 : 4));
        }
      }
    }
  }
}

// Scale and minimum j of the 8 that Q4_K and Q5_K pack as six bits each into 12 bytes.
struct ScaleAndMinimum {
  float scale, minimum;
};

ScaleAndMinimum k4_scale(int j, const uint8_t* b) {
  if (j < 4) return {static_cast<float>(b[j] & 63), static_cast<float>(b[j + 4] & 63)};
  return {static_cast<float>((b[j + 4] & 15) | (b[j - 4] >> 6) << 4),
          static_cast<float>(b[j + 4] >> 4 | (b[j] >> 6) << 4)};
}

void block_q4_k(const uint8_t* b, float* y) {
  const float d = load_half(b), low = load_half(b + 2);
  const uint8_t* q = b + 16;
  for (int j = 0; j < 8; ++j) {  // 32 elements: the low nibbles of 32 bytes, then the high ones
    const ScaleAndMinimum s = k4_scale(j, b + 4);
    const float step = d * s.scale, minimum = low * s.minimum;
    const int shift = 4 * (j % 2);
    for (int l = 0; l < 32; ++l) *y++ = step * static_cast<float>(q[l] >> shift & 15) - minimum;
    if (j % 2 != 0) q += 32;
  }
}

void block_q5_k(const uint8_t* b, float* y) {
  const float d = load_half(b), low = load_half(b + 2);
  const uint8_t *high = b + 16, *q = b + 48;
  for (int j = 0; j < 8; ++j) {
    const ScaleAndMinimum s = k4_scale(j, b + 4);
    const float step = d * s.scale, minimum = low * s.minimum;
    const int shift = 4 * (j % 2);
    for (int l = 0; l < 32; ++l) {
      const int code = (q[l] >> shift & 15) + (high[l] >> j & 1) * 16;
      *y++ = step * static_cast<float>(code) - minimum;
    }
    if (j % 2 != 0) q += 32;
  }
}

void block_q6_k(const uint8_t* b, float* y) {
  const uint8_t *low = b, *high = b + 128, *scales = b + 192;
  const float d = load_half(b + 208);
  for (int half = 0; half < 2; ++half, low += 64, high += 32, scales += 8) {
    for (int quarter = 0; quarter < 4; ++quarter) {
      for (int l = 0; l < 32; ++l) {
        const int four = low[l + 32 * (quarter % 2)] >> 4 * (quarter / 2) & 15;
        const int code = (four | (high[l] >> 2 * quarter & 3) << 4) - 32;
        const auto scale = static_cast<int8_t>(scales[2 * quarter + l / 16]);
        *y++ = d * static_cast<float>(scale) * static_cast<float>(code);
      }
    }
  }
}

void iq4_levels(const uint8_t* q, float d, float* y) {
  for (int j = 0; j < 16; ++j) {
    y[j] = d * static_cast<float>(kIq4Levels[q[j] & 15]);
    y[j + 16] = d * static_cast<float>(kIq4Levels[q[j] >> 4]);
  }
}

void block_iq4_nl(const uint8_t* b, float* y) { iq4_levels(b + 2, load_half(b), y); }

void block_iq4_xs(const uint8_t* b, float* y) {
  const float d = load_half(b);
  const int high = load16(b + 2);
  for (int part = 0; part < 8; ++part) {
    const int low = b[4 + part / 2] >> 4 * (part % 2) & 15;
    const int scale = (low | (high >> 2 * part & 3) << 4) - 32;
    iq4_levels(b + 8 + 16 * part, d * static_cast<float>(scale), y + 32 * part);
  }
}

template <typename Block>
void each_block(const GgmlTypeInfo& info, std::span<const std::byte> bytes, float* out,
                const Block& block) {
  const auto* at = reinterpret_cast<const uint8_t*>(bytes.data());
  const auto* const end = at + bytes.size();
  for (; at < end; at += info.block_bytes, out += info.block) block(at, out);
}

}  // namespace

std::optional<GgmlTypeInfo> ggml_type_info(uint32_t type) {
  for (const GgmlTypeInfo& info : kTypes)
    if (static_cast<uint32_t>(info.type) == type) return info;
  return std::nullopt;
}

const GgmlTypeInfo& ggml_type_info(GgmlType type) {
  const auto found = std::find_if(kTypes.begin(), kTypes.end(),
                                  [&](const GgmlTypeInfo& info) { return info.type == type; });
  TANDEM_CHECK(found != kTypes.end(), "type {}", static_cast<uint32_t>(type));
  return *found;
}

std::optional<GgmlTypeInfo> ggml_type_named(std::string_view name) {
  for (const GgmlTypeInfo& info : kTypes)
    if (info.name == name) return info;
  return std::nullopt;
}

void ggml_dequantize(GgmlType type, std::span<const std::byte> bytes, float* out) {
  const GgmlTypeInfo& info = ggml_type_info(type);
  TANDEM_CHECK(bytes.size() % static_cast<size_t>(info.block_bytes) == 0, "{} bytes of {}",
               bytes.size(), info.name);
  switch (type) {
    case GgmlType::kF32:
      return each_block(info, bytes, out, block_f32);
    case GgmlType::kF16:
      return each_block(info, bytes, out, block_f16);
    case GgmlType::kBf16:
      return each_block(info, bytes, out, block_bf16);
    case GgmlType::kQ4_0:
      return each_block(info, bytes, out, block_q4_0);
    case GgmlType::kQ4_1:
      return each_block(info, bytes, out, block_q4_1);
    case GgmlType::kQ5_0:
      return each_block(info, bytes, out, block_q5_0);
    case GgmlType::kQ5_1:
      return each_block(info, bytes, out, block_q5_1);
    case GgmlType::kQ8_0:
      return each_block(info, bytes, out, block_q8_0);
    case GgmlType::kQ2K:
      return each_block(info, bytes, out, block_q2_k);
    case GgmlType::kQ3K:
      return each_block(info, bytes, out, block_q3_k);
    case GgmlType::kQ4K:
      return each_block(info, bytes, out, block_q4_k);
    case GgmlType::kQ5K:
      return each_block(info, bytes, out, block_q5_k);
    case GgmlType::kQ6K:
      return each_block(info, bytes, out, block_q6_k);
    case GgmlType::kIq4Nl:
      return each_block(info, bytes, out, block_iq4_nl);
    case GgmlType::kIq4Xs:
      return each_block(info, bytes, out, block_iq4_xs);
  }
}

}  // namespace tandem
