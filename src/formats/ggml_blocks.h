// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tandem {

// The element types of GGUF tensors that are read, numbered as in the files. Quantised ones store
// blocks along a row, each with its own scale: 32 elements, or 256 for the K types and IQ4_XS.
enum class GgmlType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2K = 10,
  kQ3K = 11,
  kQ4K = 12,
  kQ5K = 13,
  kQ6K = 14,
  kIq4Nl = 20,
  kIq4Xs = 23,
  kBf16 = 30,
};

struct GgmlTypeInfo {
  GgmlType type;
  std::string_view name;  // "Q4_K"
  int64_t block;          // elements
  int64_t block_bytes;
};

// Nothing for a number that is not read.
std::optional<GgmlTypeInfo> ggml_type_info(uint32_t type);
const GgmlTypeInfo& ggml_type_info(GgmlType type);
// The type of this name ("Q4_K"), or nothing.
std::optional<GgmlTypeInfo> ggml_type_named(std::string_view name);

// Whole blocks to floats, bit for bit as ggml's C routines; no alignment is needed. bytes.size() is
// a multiple of block_bytes, out has room for as many blocks.
void ggml_dequantize(GgmlType type, std::span<const std::byte> bytes, float* out);

}  // namespace tandem
