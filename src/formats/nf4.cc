// SPDX-License-Identifier: Apache-2.0
#include "formats/nf4.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string_view>

#include "core/check.h"
#include "core/error.h"
#include "formats/half.h"

namespace tandem {
namespace {

constexpr int64_t kBlock = 64, kNestedBlock = 256;
// Zero blocks must not divide by zero; bitsandbytes' CPU library has the same floor.
constexpr float kSmallestMaximum = 1e-38f;

// The positive half of the second level's table between 0 and 1, as float32 bits: seven decades,
// each cut into twice as many parts as the one below. The last bits come from the order of float32
// operations in torch.linspace, hence stored rather than computed.
constexpr std::array<uint32_t, 127> kDynamicBits = {
    0x3513a3b7, 0x365a1a94, 0x370205ff, 0x37b24206, 0x38378034, 0x388aefb3, 0x38ba1f4b, 0x3923d70b,
    0x398ce705, 0x39c7e283, 0x3a016f01, 0x3a1eecc1, 0x3a3c6a80, 0x3a59e83e, 0x3a7765ff, 0x3aa7ef9d,
    0x3af1a9fc, 0x3b1db22d, 0x3b428f5c, 0x3b676c8a, 0x3b8624dd, 0x3b989374, 0x3bab020d, 0x3bbd70a4,
    0x3bcfdf3b, 0x3be24dd3, 0x3bf4bc6a, 0x3c039581, 0x3c0ccccd, 0x3c160418, 0x3c1f3b64, 0x3c3ae148,
    0x3c68f5c3, 0x3c8b851f, 0x3ca28f5d, 0x3cb9999a, 0x3cd0a3d7, 0x3ce7ae15, 0x3cfeb852, 0x3d0ae148,
    0x3d166667, 0x3d21eb85, 0x3d2d70a3, 0x3d38f5c3, 0x3d447ae1, 0x3d500000, 0x3d5b851f, 0x3d670a3d,
    0x3d728f5d, 0x3d7e147b, 0x3d84cccd, 0x3d8a8f5d, 0x3d9051eb, 0x3d96147b, 0x3d9bd70a, 0x3da1999a,
    0x3da75c2a, 0x3dad1eb8, 0x3db2e148, 0x3db8a3d7, 0x3dbe6667, 0x3dc428f7, 0x3dc9eb85, 0x3ddb3334,
    0x3df80000, 0x3e0a6666, 0x3e18cccd, 0x3e273333, 0x3e35999a, 0x3e440000, 0x3e526666, 0x3e60cccd,
    0x3e6f3333, 0x3e7d9999, 0x3e860000, 0x3e8d3334, 0x3e946666, 0x3e9b999a, 0x3ea2cccc, 0x3eaa0000,
    0x3eb13333, 0x3eb86666, 0x3ebf999a, 0x3ec6cccc, 0x3ece0000, 0x3ed53333, 0x3edc6666, 0x3ee3999a,
    0x3eeacccc, 0x3ef20000, 0x3ef93332, 0x3f003333, 0x3f03cccc, 0x3f076666, 0x3f0b0000, 0x3f0e999a,
    0x3f123334, 0x3f15cccd, 0x3f196666, 0x3f1d0000, 0x3f20999a, 0x3f243334, 0x3f27cccd, 0x3f2b6666,
    0x3f2f0000, 0x3f32999a, 0x3f363334, 0x3f39cccd, 0x3f3d6666, 0x3f410000, 0x3f44999a, 0x3f483333,
    0x3f4bcccd, 0x3f4f6666, 0x3f530000, 0x3f56999a, 0x3f5a3333, 0x3f5dcccd, 0x3f616666, 0x3f650000,
    0x3f68999a, 0x3f6c3333, 0x3f6fcccd, 0x3f736666, 0x3f770000, 0x3f7a999a, 0x3f7e3333,
};

template <size_t N>
std::array<float, N - 1> midpoints(const std::array<float, N>& values) {
  std::array<float, N - 1> result;
  for (size_t i = 0; i + 1 < N; ++i) result[i] = (values[i] + values[i + 1]) / 2;
  return result;
}

// How many midpoints lie below v; a value at a midpoint goes to the lower code.
uint8_t nearest_nf4(float v, const std::array<float, 15>& middle) {
  int below = 0;
  for (const float m : middle) below += m < v;
  return static_cast<uint8_t>(below);
}

// bitsandbytes' GPU kernel: bisect for the neighbours, then compare with the midpoint to one side.
uint8_t search_dynamic(float x) {
  const std::array<float, 256>& map = nf4_dynamic_map();
  int pivot = 127, upper_pivot = 255, lower_pivot = 0;
  float lower = -1, upper = 1, value = map[pivot];
  for (int step = 64; step > 0; step >>= 1) {
    if (x > value) {
      lower_pivot = pivot;
      lower = value;
      pivot += step;
    } else {
      upper_pivot = pivot;
      upper = value;
      pivot -= step;
    }
    value = map[pivot];
  }
  if (upper_pivot == 255) upper = map[255];
  if (lower_pivot == 0) lower = map[0];
  if (x > value) return static_cast<uint8_t>(x > (upper + value) * 0.5f ? upper_pivot : pivot);
  return static_cast<uint8_t>(x < (lower + value) * 0.5f ? lower_pivot : pivot);
}

// bitsandbytes' CPU library: a table over 65536 equal steps of [-1, 1].
const std::vector<uint8_t>& dynamic_steps() {
  static const std::vector<uint8_t> table = [] {
    const auto middle = midpoints(nf4_dynamic_map());
    std::vector<uint8_t> codes(65536);
    for (size_t i = 0; i < codes.size(); ++i) {
      const double at = -1.0 + 2.0 * static_cast<double>(i) / 65535;
      const auto found = std::lower_bound(middle.begin(), middle.end(), at,
                                          [](float m, double v) { return double{m} < v; });
      codes[i] = static_cast<uint8_t>(found - middle.begin());
    }
    return codes;
  }();
  return table;
}

uint8_t table_dynamic(float x) {
  const float u = std::clamp(x, -1.0f, 1.0f);
  return dynamic_steps()[static_cast<size_t>((u + 1) * 0.5f * 65535 + 0.5f)];
}

}  // namespace

constinit const std::array<float, 16> kNf4Table = [] {
  constexpr std::array<uint32_t, 16> bits = {0xbf800000, 0xbf3239b1, 0xbf066b30, 0xbeca32a0,
                                             0xbe91a24d, 0xbe3d353f, 0xbdba7871, 0x00000000,
                                             0x3da2faff, 0x3e24cae3, 0x3e7c04dd, 0x3ead033a,
                                             0x3ee1a4b8, 0x3f1007ab, 0x3f3913b3, 0x3f800000};
  return std::bit_cast<std::array<float, 16>>(bits);
}();

const std::array<float, 256>& nf4_dynamic_map() {
  static const std::array<float, 256> map = [] {
    std::array<float, 256> values = {};
    for (size_t i = 0; i < kDynamicBits.size(); ++i) {
      values[128 + i] = std::bit_cast<float>(kDynamicBits[i]);
      values[126 - i] = -values[128 + i];
    }
    values[255] = 1;
    return values;
  }();
  return map;
}

int64_t Nf4Tensor::count() const {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;
  return product;
}

int64_t Nf4Tensor::bytes() const {
  return static_cast<int64_t>(codes.size_bytes() + absmax.size_bytes() + absmax_codes.size_bytes() +
                              absmax2.size_bytes());
}

float Nf4Tensor::scale(int64_t index) const {
  if (!is_double()) return absmax[index];
  const uint8_t code = absmax_codes[index];
  const float value = nested_map.empty() ? nf4_dynamic_map()[code] : nested_map[code];
  return value * absmax2[index / nested_block] + offset;
}

namespace {

// Calls emit(position in out, code) for each element of the range, block by block; start(scale)
// comes before each block's elements.
template <typename Start, typename Emit>
void walk(const Nf4Tensor& w, int64_t begin, int64_t count, const Start& start, const Emit& emit) {
  TANDEM_CHECK(begin >= 0 && count >= 0 && begin + count <= w.count(), "[{}, +{}) of {}", begin,
               count, w.count());
  const int64_t end = begin + count;
  for (int64_t at = begin; at < end;) {
    const int64_t stop = std::min(end, (at / w.block + 1) * w.block);
    start(w.scale(at / w.block));
    int64_t i = at;
    if (i % 2 != 0 && i < stop) {
      emit(i - begin, w.codes[i / 2] & 15);
      ++i;
    }
    for (; i + 1 < stop; i += 2) {
      const uint8_t pair = w.codes[i / 2];
      emit(i - begin, pair >> 4);
      emit(i + 1 - begin, pair & 15);
    }
    if (i < stop) emit(i - begin, w.codes[i / 2] >> 4);
    at = stop;
  }
}

}  // namespace

void Nf4Tensor::dequantize(int64_t begin, int64_t count, float* out) const {
  std::array<float, 16> values;
  walk(
      *this, begin, count,
      [&](float s) {
        for (size_t c = 0; c < 16; ++c) values[c] = kNf4Table[c] * s;
      },
      [&](int64_t i, int code) { out[i] = values[code]; });
}

void Nf4Tensor::dequantize_bf16(int64_t begin, int64_t count, uint16_t* out) const {
  std::array<uint16_t, 16> values;
  walk(
      *this, begin, count,
      [&](float s) {
        for (size_t c = 0; c < 16; ++c) values[c] = float_to_bf16(kNf4Table[c] * s);
      },
      [&](int64_t i, int code) { out[i] = values[code]; });
}

void Nf4Tensor::validate(std::string_view where) const {
  const auto want = [&](std::string_view what, size_t found, int64_t wanted) {
    if (static_cast<int64_t>(found) != wanted)
      throw FormatError("{}: {} {}, the shape needs {}", where, found, what, wanted);
  };
  if (block < 2 || !std::has_single_bit(static_cast<uint64_t>(block)) || nested_block < 1)
    throw FormatError("{}: blocks of {} and {}, expected a power of two and a count", where, block,
                      nested_block);
  int64_t elements = 1;
  for (const int64_t size : shape)
    if (size < 0 || __builtin_mul_overflow(elements, size, &elements) || elements > INT64_MAX / 2)
      throw FormatError("{}: the shape is negative or overflows", where);
  const int64_t blocks = num_blocks();
  want("bytes of codes", codes.size(), (elements + 1) / 2);
  if (is_double()) {
    want("block maxima", absmax.size(), 0);
    want("codes of block maxima", absmax_codes.size(), blocks);
    if (!nested_map.empty()) want("values of the second level's map", nested_map.size(), 256);
    want("maxima of the second level", absmax2.size(), (blocks + nested_block - 1) / nested_block);
  } else {
    want("block maxima", absmax.size(), blocks);
  }
}

float nf4_offset(std::span<const float> absmax) {
  double sum = 0;
  for (const float value : absmax) sum += value;
  return absmax.empty() ? 0 : static_cast<float>(sum / static_cast<double>(absmax.size()));
}

Nf4Nested nf4_quantize_absmax(std::span<const float> absmax, float offset, Nf4SecondLevel rule) {
  Nf4Nested nested;
  nested.codes.resize(absmax.size());
  for (size_t begin = 0; begin < absmax.size(); begin += kNestedBlock) {
    const size_t end = std::min(absmax.size(), begin + kNestedBlock);
    float largest = 0;
    for (size_t i = begin; i < end; ++i) largest = std::max(largest, std::abs(absmax[i] - offset));
    nested.absmax2.push_back(largest);
    if (largest == 0) continue;  // codes 0
    const float by = 1 / largest;
    for (size_t i = begin; i < end; ++i) {
      const float x = (absmax[i] - offset) * by;
      nested.codes[i] = rule == Nf4SecondLevel::kSearch ? search_dynamic(x) : table_dynamic(x);
    }
  }
  return nested;
}

namespace {

// What an Nf4Tensor of our own making points into.
struct Storage {
  std::vector<uint8_t> codes;
  std::vector<float> absmax;
  Nf4Nested nested;
};

void quantize_block(std::span<const float> values, float* absmax, uint8_t* codes) {
  static const auto middle = midpoints(kNf4Table);
  float largest = 0;
  for (const float v : values) largest = std::max(largest, std::abs(v));
  const float floored = std::max(largest, kSmallestMaximum);
  std::array<float, kBlock> scaled = {};
  if (values.size() == kBlock) {
    const float by = 1 / floored;
    for (size_t i = 0; i < kBlock; ++i) scaled[i] = values[i] * by;
    *absmax = largest;
  } else {
    for (size_t i = 0; i < values.size(); ++i) scaled[i] = values[i] / floored;
    *absmax = floored;
  }
  for (size_t i = 0; i < values.size(); i += 2) {  // an odd end packs the code of zero
    const uint8_t high = nearest_nf4(std::clamp(scaled[i], -1.0f, 1.0f), middle);
    const uint8_t low = nearest_nf4(std::clamp(scaled[i + 1], -1.0f, 1.0f), middle);
    codes[i / 2] = static_cast<uint8_t>(high << 4 | low);
  }
}

}  // namespace

Nf4Tensor nf4_quantize(std::span<const float> values, std::span<const int64_t> shape,
                       const Nf4Options& options) {
  Nf4Tensor w;
  w.shape.assign(shape.begin(), shape.end());
  TANDEM_CHECK(static_cast<int64_t>(values.size()) == w.count(), "{} values for {}", values.size(),
               w.count());
  const auto storage = std::make_shared<Storage>();
  storage->codes.resize((values.size() + 1) / 2);
  storage->absmax.resize((values.size() + kBlock - 1) / kBlock);
  for (size_t b = 0; b < storage->absmax.size(); ++b) {
    const size_t begin = b * kBlock;
    quantize_block(values.subspan(begin, std::min<size_t>(kBlock, values.size() - begin)),
                   &storage->absmax[b], storage->codes.data() + begin / 2);
  }
  w.codes = storage->codes;
  if (options.double_quant && !storage->absmax.empty()) {
    w.offset = nf4_offset(storage->absmax);
    storage->nested = nf4_quantize_absmax(storage->absmax, w.offset, options.second_level);
    storage->absmax = {};
    w.absmax_codes = storage->nested.codes;
    w.absmax2 = storage->nested.absmax2;
  } else {
    w.absmax = storage->absmax;
  }
  w.owner = storage;
  return w;
}

}  // namespace tandem
