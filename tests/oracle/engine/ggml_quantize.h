// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "formats/ggml_blocks.h"
#include "formats/half.h"

namespace tandem::engine {

// Quantising as ggml's reference routines do it, to make GGUF tensors for checks. Blocks of 32 are
// written one after the other; the scale divides before it is rounded to F16.
class GgmlQuantizer {
 public:
  // Nothing for a type that only is decoded. values.size() is a multiple of the type's block.
  static std::optional<std::vector<std::byte>> quantize(GgmlType type,
                                                        std::span<const float> values) {
    GgmlQuantizer out;
    const auto block = static_cast<size_t>(ggml_type_info(type).block);
    for (size_t at = 0; at < values.size(); at += block) {
      const float* x = values.data() + at;
      switch (type) {
        case GgmlType::kF32:
          out.put(x, sizeof(float));
          break;
        case GgmlType::kF16:
          out.put_half(*x);
          break;
        case GgmlType::kBf16:
          out.put16(float_to_bf16(*x));
          break;
        case GgmlType::kQ8_0:
          out.q8_0(x);
          break;
        case GgmlType::kQ4_0:
          out.symmetric(x, 4);
          break;
        case GgmlType::kQ5_0:
          out.symmetric(x, 5);
          break;
        case GgmlType::kQ4_1:
          out.affine(x, 4);
          break;
        case GgmlType::kQ5_1:
          out.affine(x, 5);
          break;
        default:
          return std::nullopt;
      }
    }
    return std::move(out.bytes_);
  }

 private:
  static constexpr int kBlock = 32;

  void put(const void* data, size_t count) {
    const auto* from = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), from, from + count);
  }
  void put16(uint16_t bits) { put(&bits, sizeof bits); }
  void put_half(float value) { put16(float_to_f16(value)); }
  static float inverse(float d) { return d != 0 ? 1 / d : 0; }

  void q8_0(const float* x) {
    float largest = 0;
    for (int i = 0; i < kBlock; ++i) largest = std::max(largest, std::abs(x[i]));
    const float d = largest / 127, by = inverse(d);
    put_half(d);
    for (int i = 0; i < kBlock; ++i) {
      const auto q = static_cast<int8_t>(std::round(x[i] * by));  // half away from zero
      put(&q, 1);
    }
  }

  // Q4_0, Q5_0: the value of largest magnitude gets the lowest code.
  void symmetric(const float* x, int bits) {
    const int half = 1 << (bits - 1);
    float extreme = 0;
    for (int i = 0; i < kBlock; ++i)
      if (std::abs(x[i]) > std::abs(extreme)) extreme = x[i];
    const float d = extreme / static_cast<float>(-half), by = inverse(d);
    put_half(d);
    const float shift = static_cast<float>(half) + 0.5f;
    put_codes(x, bits, [&](float v) { return v * by + shift; });
  }

  // Q4_1, Q5_1: from the minimum up.
  void affine(const float* x, int bits) {
    const auto [low, high] = std::minmax_element(x, x + kBlock);
    const float d = (*high - *low) / static_cast<float>((1 << bits) - 1), by = inverse(d);
    put_half(d);
    put_half(*low);
    put_codes(x, bits, [&](float v) { return (v - *low) * by + 0.5f; });
  }

  template <typename Scaled>
  void put_codes(const float* x, int bits, const Scaled& scaled) {
    int codes[kBlock];
    for (int i = 0; i < kBlock; ++i)
      codes[i] = std::clamp(static_cast<int>(scaled(x[i])), 0, (1 << bits) - 1);
    if (bits == 5) {
      uint32_t fifth = 0;
      for (int i = 0; i < kBlock; ++i) fifth |= static_cast<uint32_t>(codes[i] >> 4) << i;
      put(&fifth, sizeof fifth);
    }
    for (int i = 0; i < kBlock / 2; ++i) {
      const auto pair = static_cast<uint8_t>((codes[i] & 15) | (codes[i + 16] & 15) << 4);
      put(&pair, 1);
    }
  }

  std::vector<std::byte> bytes_;
};

}  // namespace tandem::engine
