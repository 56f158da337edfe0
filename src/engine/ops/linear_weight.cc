// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/linear_weight.h"

#include <algorithm>
#include <cstring>

#include "core/check.h"
#include "core/error.h"
#include "engine/kernels/gemm.h"
#include "engine/kernels/vector_ops.h"

namespace tandem {
namespace {

// Rows of W in one task: wide enough that packing x for the product costs little, narrow enough
// that a small layer still feeds several threads.
constexpr int64_t kTile = 256;

bool aligned(const void* data, size_t alignment) {
  return reinterpret_cast<uintptr_t>(data) % alignment == 0;
}

// count elements as floats. Old files may have data at odd places.
void widen(DType dtype, const std::byte* bytes, int64_t count, float* out) {
  if (dtype == DType::kF32) {
    std::memcpy(out, bytes, static_cast<size_t>(count) * sizeof(float));
    return;
  }
  const auto widen_half = dtype == DType::kF16 ? widen_f16 : widen_bf16;
  if (aligned(bytes, alignof(uint16_t))) {
    widen_half(reinterpret_cast<const uint16_t*>(bytes), count, out);
    return;
  }
  std::vector<uint16_t> copy(static_cast<size_t>(count));
  std::memcpy(copy.data(), bytes, copy.size() * sizeof(uint16_t));
  widen_half(copy.data(), count, out);
}

void want_float(const TensorView& view) {
  if (view.dtype == DType::kF32 || view.dtype == DType::kF16 || view.dtype == DType::kBf16) return;
  throw FormatError("tensor '{}' is {}, expected F32, F16 or BF16", view.name,
                    dtype_name(view.dtype));
}

}  // namespace

std::vector<float> to_floats(const TensorView& view) {
  want_float(view);
  std::vector<float> values(static_cast<size_t>(view.count()));
  widen(view.dtype, view.bytes.data(), view.count(), values.data());
  return values;
}

LinearWeight::LinearWeight(const TensorView& weight, const TensorView* bias)
    : dtype_(weight.dtype), bytes_(weight.bytes) {
  want_float(weight);
  if (weight.shape.size() != 2)
    throw FormatError("tensor '{}' has {} axes, expected 2", weight.name, weight.shape.size());
  outputs_ = weight.shape[0];
  inputs_ = weight.shape[1];
  if (!bias) return;
  bias_ = to_floats(*bias);
  if (static_cast<int64_t>(bias_.size()) != outputs_)
    throw FormatError("tensor '{}' has {} elements, expected {}", bias->name, bias_.size(),
                      outputs_);
}

const float* LinearWeight::tile(int64_t begin, int64_t count, std::vector<float>& scratch) const {
  const std::byte* data = bytes_.data() + begin * inputs_ * dtype_bytes(dtype_);
  if (dtype_ == DType::kF32 && aligned(data, alignof(float)))
    return reinterpret_cast<const float*>(data);
  scratch.resize(static_cast<size_t>(count * inputs_));
  widen(dtype_, data, count * inputs_, scratch.data());
  return scratch.data();
}

Matrix LinearWeight::apply(const Matrix& x, ThreadPool& pool) const {
  TANDEM_CHECK(x.columns == inputs_, "{} columns for {} inputs", x.columns, inputs_);
  Matrix out(x.rows, outputs_);
  if (x.rows == 0) return out;
  std::vector<std::vector<float>> scratch(static_cast<size_t>(pool.size()));
  pool.parallel_for((outputs_ + kTile - 1) / kTile, [&](int64_t index, int worker) {
    const int64_t begin = index * kTile, count = std::min(kTile, outputs_ - begin);
    const float* w = tile(begin, count, scratch[worker]);
    sgemm(false, true, x.rows, count, inputs_, 1, x.data(), inputs_, w, inputs_, 0,
          out.data() + begin, outputs_);
    if (bias_.empty()) return;
    for (int64_t r = 0; r < x.rows; ++r) {
      float* row = out.row(r) + begin;
      for (int64_t n = 0; n < count; ++n) row[n] += bias_[begin + n];
    }
  });
  return out;
}

Matrix LinearWeight::apply(const Matrix& x, std::span<const int32_t> outputs,
                           ThreadPool& pool) const {
  TANDEM_CHECK(x.columns == inputs_, "{} columns for {} inputs", x.columns, inputs_);
  const auto total = static_cast<int64_t>(outputs.size());
  Matrix out(x.rows, total);
  if (x.rows == 0) return out;
  std::vector<std::vector<float>> scratch(static_cast<size_t>(pool.size()));
  pool.parallel_for((total + kTile - 1) / kTile, [&](int64_t index, int worker) {
    const int64_t begin = index * kTile, count = std::min(kTile, total - begin);
    std::vector<float>& w = scratch[worker];
    w.resize(static_cast<size_t>(count * inputs_));
    for (int64_t n = 0; n < count; ++n) copy_row(outputs[begin + n], w.data() + n * inputs_);
    sgemm(false, true, x.rows, count, inputs_, 1, x.data(), inputs_, w.data(), inputs_, 0,
          out.data() + begin, total);
    if (bias_.empty()) return;
    for (int64_t r = 0; r < x.rows; ++r)
      for (int64_t n = 0; n < count; ++n) out.row(r)[begin + n] += bias_[outputs[begin + n]];
  });
  return out;
}

void LinearWeight::copy_row(int64_t n, float* out) const {
  TANDEM_CHECK(n >= 0 && n < outputs_, "row {} of {}", n, outputs_);
  widen(dtype_, bytes_.data() + n * inputs_ * dtype_bytes(dtype_), inputs_, out);
}

}  // namespace tandem
