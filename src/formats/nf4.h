// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace tandem {

// NF4, the 4-bit format of QLoRA (Dettmers et al.), bit for bit as bitsandbytes stores it:
//
//     w = table[code] * absmax[block],   blocks of 64 elements of the row-major tensor
//
// Blocks ignore row ends; the last may be short. With double quantisation the block maxima are
// 8-bit codes themselves, in groups of 256 blocks:
//
//     absmax[block] = dynamic_map[absmax_codes[block]] * absmax2[block / 256] + offset
//
// All arithmetic is float32 without fused operations; bf16 results are rounded to nearest even.
extern const std::array<float, 16> kNf4Table;     // ascending, -1 to 1
const std::array<float, 256>& nf4_dynamic_map();  // ascending, of the second level

// One weight. The spans show a mapped file or memory that `owner` keeps alive; a copy shares it.
struct Nf4Tensor {
  std::vector<int64_t> shape = {};
  int64_t block = 64;                   // elements, a power of two
  int64_t nested_block = 256;           // blocks, of the second level
  std::span<const uint8_t> codes = {};  // two elements a byte, the first in the high nibble
  std::span<const float> absmax = {};   // one for each block; empty with double quantisation
  std::span<const uint8_t> absmax_codes = {};
  std::span<const float> absmax2 = {};
  float offset = 0;
  std::span<const float> nested_map = {};  // of the file it comes from; empty: nf4_dynamic_map()
  std::shared_ptr<const void> owner = {};

  int64_t count() const;  // elements
  int64_t num_blocks() const { return (count() + block - 1) / block; }
  bool is_double() const { return !absmax_codes.empty(); }
  int64_t bytes() const;  // of codes and all scales
  // Scale of a block, restored where it is quantised.
  float scale(int64_t index) const;

  // Elements [begin, begin + count) of the flattened tensor; any range. A tile of rows is
  // dequantize(row * columns, rows * columns, out). Safe to call concurrently.
  void dequantize(int64_t begin, int64_t count, float* out) const;
  void dequantize_bf16(int64_t begin, int64_t count, uint16_t* out) const;

  // Throws FormatError naming `where` unless the sizes of all spans fit the shape and the blocks.
  void validate(std::string_view where) const;
};

// How the second level finds an 8-bit code. kSearch is the bisection of bitsandbytes' GPU kernel,
// kTable the table of its CPU library, which is off by one to three codes near midpoints.
enum class Nf4SecondLevel { kSearch, kTable };

struct Nf4Options {
  bool double_quant = false;
  Nf4SecondLevel second_level = Nf4SecondLevel::kSearch;
};

// Quantises a row-major tensor; the result owns its memory. values.size() is the shape's product.
Nf4Tensor nf4_quantize(std::span<const float> values, std::span<const int64_t> shape,
                       const Nf4Options& options = {});

// The second level alone, with a given offset (by default the mean of the maxima).
struct Nf4Nested {
  std::vector<uint8_t> codes;
  std::vector<float> absmax2;
};
float nf4_offset(std::span<const float> absmax);
Nf4Nested nf4_quantize_absmax(std::span<const float> absmax, float offset, Nf4SecondLevel rule);

}  // namespace tandem
