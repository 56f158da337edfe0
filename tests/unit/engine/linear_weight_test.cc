// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/linear_weight.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/rng.h"
#include "formats/half.h"

namespace tandem::engine {
namespace {

constexpr int64_t kOutputs = 300, kInputs = 37, kRows = 5;  // two tiles, odd width

// Numbers that F16 and BF16 hold exactly: k / 8 for k in -32..32.
float value(Rng& rng) { return static_cast<float>(static_cast<int64_t>(rng.below(65)) - 32) / 8; }

uint16_t to_f16(float v) {  // for multiples of 1/8 up to 4
  if (v == 0) return 0;
  const uint16_t sign = v < 0 ? 0x8000 : 0;
  int exponent = 0;
  const float fraction = std::frexp(std::abs(v), &exponent);  // v = fraction 2^exponent, >= 1/2
  const auto digits = static_cast<int>((2 * fraction - 1) * 1024);
  return static_cast<uint16_t>(sign | (exponent + 14) << 10 | digits);
}

std::vector<std::byte> store(const std::vector<float>& values, DType dtype, size_t shift) {
  const auto element = static_cast<size_t>(dtype_bytes(dtype));
  std::vector<std::byte> bytes(shift + values.size() * element);
  for (size_t i = 0; i < values.size(); ++i) {
    uint32_t bits;
    std::memcpy(&bits, &values[i], 4);
    if (dtype == DType::kBf16) bits >>= 16;
    if (dtype == DType::kF16) bits = to_f16(values[i]);
    std::memcpy(bytes.data() + shift + i * element, &bits, element);
  }
  return bytes;
}

TEST(LinearWeight, EqualsAPlainLoopForEveryTypeAndAlignment) {
  Rng rng(1);
  std::vector<float> w(kOutputs * kInputs), bias(kOutputs);
  for (float& v : w) v = value(rng);
  for (float& v : bias) v = value(rng);
  Matrix x(kRows, kInputs);
  for (float& v : x.values) v = value(rng);
  ThreadPool pool(2);
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBf16}) {
    for (const size_t shift : {0, 1}) {
      SCOPED_TRACE(testing::Message() << dtype_name(dtype) << " shifted by " << shift);
      const std::vector<std::byte> w_bytes = store(w, dtype, shift);
      const std::vector<std::byte> bias_bytes = store(bias, dtype, shift);
      const TensorView w_view{"w", dtype, {kOutputs, kInputs}, std::span(w_bytes).subspan(shift)};
      const TensorView b_view{"b", dtype, {kOutputs}, std::span(bias_bytes).subspan(shift)};
      const StoredTensor stored_bias(b_view);
      const LinearWeight linear(StoredTensor(w_view), &stored_bias);
      const Matrix out = linear.apply(x, pool);
      const std::vector<int32_t> labels = {299, 0, 17, 17};
      const Matrix some = linear.apply(x, labels, pool);
      for (int64_t r = 0; r < kRows; ++r) {
        for (int64_t n = 0; n < kOutputs; ++n) {
          double want = bias[n];
          for (int64_t k = 0; k < kInputs; ++k) want += double{x.row(r)[k]} * w[n * kInputs + k];
          ASSERT_FLOAT_EQ(out.row(r)[n], static_cast<float>(want)) << r << ", " << n;
        }
        for (size_t l = 0; l < labels.size(); ++l)
          EXPECT_NEAR(some.row(r)[l], out.row(r)[labels[l]], 2e-4);  // sums in another order
      }
      std::vector<float> row(kInputs);
      linear.copy_row(299, row.data());
      EXPECT_EQ(row, std::vector<float>(w.end() - kInputs, w.end()));
    }
  }
}

TEST(LinearWeight, Bfloat16MultipliesRoundedOperandsOfEveryStorage) {
  Rng rng(3);
  std::vector<float> w(kOutputs * kInputs), bias(kOutputs);
  for (float& v : w) v = value(rng);
  for (float& v : bias) v = value(rng);
  ThreadPool pool(2);
  for (const int64_t rows : {1, 5, 40}) {
    Matrix x(rows, kInputs);
    for (float& v : x.values) v = static_cast<float>(rng.normal());
    std::vector<float> first;
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBf16}) {
      for (const size_t shift : {0, 1}) {
        SCOPED_TRACE(testing::Message()
                     << rows << " rows, " << dtype_name(dtype) << " shifted by " << shift);
        const std::vector<std::byte> bytes = store(w, dtype, shift);
        const std::vector<std::byte> bias_bytes = store(bias, dtype, shift);
        const StoredTensor stored_bias(
            TensorView{"b", dtype, {kOutputs}, std::span(bias_bytes).subspan(shift)});
        const LinearWeight linear(
            StoredTensor(
                TensorView{"w", dtype, {kOutputs, kInputs}, std::span(bytes).subspan(shift)}),
            &stored_bias, Precision::kBfloat16);
        const Matrix out = linear.apply(x, pool);
        const std::vector<int32_t> labels = {299, 0, 17};
        const Matrix some = linear.apply(x, labels, pool);
        for (int64_t r = 0; r < rows; ++r) {
          for (int64_t n = 0; n < kOutputs; ++n) {
            double want = bias[n];
            for (int64_t k = 0; k < kInputs; ++k)
              want += double{bf16_to_float(float_to_bf16(x.row(r)[k]))} * w[n * kInputs + k];
            ASSERT_NEAR(out.row(r)[n], want, 3e-5) << r << ", " << n;  // unrounded x: 1e-1
          }
          for (size_t l = 0; l < labels.size(); ++l)
            EXPECT_NEAR(some.row(r)[l], out.row(r)[labels[l]], 3e-5);
        }
        // These weights are the same numbers in every form.
        if (first.empty()) first = out.values;
        EXPECT_EQ(out.values, first);
      }
    }
  }
}

TEST(LinearWeight, OtherTypesAndShapesAreRefused) {
  const std::vector<std::byte> bytes(32);
  const TensorView whole{"w", DType::kI32, {2, 4}, bytes}, flat{"w", DType::kF32, {8}, bytes};
  const TensorView good{"w", DType::kF32, {2, 4}, bytes};
  EXPECT_THROW(StoredTensor{whole}, FormatError);
  const StoredTensor stored_flat(flat);
  EXPECT_THROW(LinearWeight{stored_flat}, FormatError);
  EXPECT_THROW(LinearWeight(StoredTensor(good), &stored_flat), FormatError);
  LinearWeight linear{StoredTensor(good)};
  EXPECT_THROW(linear.add_low_rank({.rank = 1, .a = {1, 2, 3}, .b = {1, 2}}), FormatError);
}

TEST(LinearWeight, ExpandsNf4AndAddsALowRankProduct) {
  Rng rng(2);
  std::vector<float> w(kOutputs * 64), a(3 * 64), b(kOutputs * 3);
  for (auto* values : {&w, &a, &b})
    for (float& v : *values) v = value(rng);
  const std::vector<int64_t> shape = {kOutputs, 64};
  const Nf4Tensor quantised = nf4_quantize(w, shape, {.double_quant = true});
  quantised.dequantize(0, quantised.count(), w.data());
  LinearWeight linear(StoredTensor("w", quantised));
  linear.add_low_rank({.rank = 3, .a = a, .b = b, .scale = 0.25f});
  Matrix x(kRows, 64);
  for (float& v : x.values) v = value(rng);
  ThreadPool pool(2);
  LinearWeight rounded(StoredTensor("w", quantised), nullptr, Precision::kBfloat16);
  rounded.add_low_rank({.rank = 3, .a = a, .b = b, .scale = 0.25f});
  const Matrix out = linear.apply(x, pool), half = rounded.apply(x, pool);
  const std::vector<int32_t> labels = {299, 0, 17};
  const Matrix some = linear.apply(x, labels, pool), half_some = rounded.apply(x, labels, pool);
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t n = 0; n < kOutputs; ++n) {
      double want = 0, want_half = 0;
      for (int64_t k = 0; k < 64; ++k) {
        double added = 0;
        for (int64_t i = 0; i < 3; ++i) added += double{b[n * 3 + i]} * a[i * 64 + k];
        want += x.row(r)[k] * (w[n * 64 + k] + 0.25 * added);
        // x is exact in BF16; of W alone the numbers are rounded.
        want_half += x.row(r)[k] * (bf16_to_float(float_to_bf16(w[n * 64 + k])) + 0.25 * added);
      }
      EXPECT_NEAR(half.row(r)[n], want_half, 2e-4) << r << ", " << n;
      EXPECT_NEAR(out.row(r)[n], want, 2e-4) << r << ", " << n;  // sums up to a few hundred
    }
    for (size_t l = 0; l < labels.size(); ++l) {
      EXPECT_NEAR(some.row(r)[l], out.row(r)[labels[l]], 2e-4);  // sums in another order
      EXPECT_NEAR(half_some.row(r)[l], half.row(r)[labels[l]], 2e-4);
    }
  }
}

}  // namespace
}  // namespace tandem::engine
