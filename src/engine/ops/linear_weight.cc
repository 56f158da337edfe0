// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/linear_weight.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/error.h"
#include "engine/kernels/gemm.h"
#include "engine/kernels/vector_ops.h"
#include "formats/hf_folder.h"

namespace tandem {
namespace {

// Rows of W in one task: wide enough that packing x for the product costs little, narrow enough
// that a small layer still feeds several threads.
constexpr int64_t kTile = 256;

bool aligned(const void* data, size_t alignment) {
  return reinterpret_cast<uintptr_t>(data) % alignment == 0;
}

}  // namespace

LinearWeight::LinearWeight(StoredTensor weight, const StoredTensor* bias)
    : weight_(std::move(weight)) {
  if (weight_.shape().size() != 2)
    throw FormatError("tensor '{}' has {} axes, expected 2", weight_.name(),
                      weight_.shape().size());
  outputs_ = weight_.shape()[0];
  inputs_ = weight_.shape()[1];
  if (!bias) return;
  bias_ = bias->read();
  if (static_cast<int64_t>(bias_.size()) != outputs_)
    throw FormatError("tensor '{}' has {} elements, expected {}", bias->name(), bias_.size(),
                      outputs_);
}

void LinearWeight::add_low_rank(LowRank addition) {
  const auto a = static_cast<int64_t>(addition.a.size()),
             b = static_cast<int64_t>(addition.b.size());
  if (addition.rank < 1 || a != addition.rank * inputs_ || b != addition.rank * outputs_)
    throw FormatError("an addition of rank {} with {} and {} elements does not fit {} {}",
                      addition.rank, a, b, weight_.name(), format_shape(weight_.shape()));
  low_rank_ = std::make_shared<const LowRank>(std::move(addition));
}

void LinearWeight::widen_rows(int64_t begin, int64_t count, float* out) const {
  // The common half-precision files go through the machine's widest vectors.
  const TensorView* view = weight_.floats();
  if (view && view->dtype != DType::kF32) {
    const std::byte* data = view->bytes.data() + begin * inputs_ * dtype_bytes(view->dtype);
    if (aligned(data, alignof(uint16_t))) {
      const auto widen = view->dtype == DType::kF16 ? widen_f16 : widen_bf16;
      return widen(reinterpret_cast<const uint16_t*>(data), count * inputs_, out);
    }
  }
  weight_.read_rows(begin, count, out);
}

const float* LinearWeight::tile(int64_t begin, int64_t count, std::vector<float>& scratch) const {
  const TensorView* view = weight_.floats();
  if (view && view->dtype == DType::kF32) {
    const std::byte* data = view->bytes.data() + begin * inputs_ * int64_t{sizeof(float)};
    if (aligned(data, alignof(float))) return reinterpret_cast<const float*>(data);
  }
  scratch.resize(static_cast<size_t>(count * inputs_));
  widen_rows(begin, count, scratch.data());
  return scratch.data();
}

Matrix LinearWeight::low_rank_inputs(const Matrix& x) const {
  if (!low_rank_) return {};
  Matrix inner(x.rows, low_rank_->rank);
  sgemm(false, true, x.rows, low_rank_->rank, inputs_, 1, x.data(), inputs_, low_rank_->a.data(),
        inputs_, 0, inner.data(), low_rank_->rank);
  return inner;
}

Matrix LinearWeight::apply(const Matrix& x, ThreadPool& pool) const {
  TANDEM_CHECK(x.columns == inputs_, "{} columns for {} inputs", x.columns, inputs_);
  Matrix out(x.rows, outputs_);
  if (x.rows == 0) return out;
  const Matrix inner = low_rank_inputs(x);
  std::vector<std::vector<float>> scratch(static_cast<size_t>(pool.size()));
  pool.parallel_for((outputs_ + kTile - 1) / kTile, [&](int64_t index, int worker) {
    const int64_t begin = index * kTile, count = std::min(kTile, outputs_ - begin);
    const float* w = tile(begin, count, scratch[worker]);
    sgemm(false, true, x.rows, count, inputs_, 1, x.data(), inputs_, w, inputs_, 0,
          out.data() + begin, outputs_);
    if (low_rank_) {
      const int64_t rank = low_rank_->rank;
      sgemm(false, true, x.rows, count, rank, low_rank_->scale, inner.data(), rank,
            low_rank_->b.data() + begin * rank, rank, 1, out.data() + begin, outputs_);
    }
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
  const Matrix inner = low_rank_inputs(x);
  const int64_t rank = low_rank_ ? low_rank_->rank : 0;
  std::vector<std::vector<float>> scratch(static_cast<size_t>(pool.size()));
  pool.parallel_for((total + kTile - 1) / kTile, [&](int64_t index, int worker) {
    const int64_t begin = index * kTile, count = std::min(kTile, total - begin);
    std::vector<float>& w = scratch[worker];
    w.resize(static_cast<size_t>(count * std::max(inputs_, rank)));
    for (int64_t n = 0; n < count; ++n) copy_row(outputs[begin + n], w.data() + n * inputs_);
    sgemm(false, true, x.rows, count, inputs_, 1, x.data(), inputs_, w.data(), inputs_, 0,
          out.data() + begin, total);
    if (low_rank_) {
      for (int64_t n = 0; n < count; ++n)
        std::copy_n(low_rank_->b.data() + outputs[begin + n] * rank, rank, w.data() + n * rank);
      sgemm(false, true, x.rows, count, rank, low_rank_->scale, inner.data(), rank, w.data(), rank,
            1, out.data() + begin, total);
    }
    if (bias_.empty()) return;
    for (int64_t r = 0; r < x.rows; ++r)
      for (int64_t n = 0; n < count; ++n) out.row(r)[begin + n] += bias_[outputs[begin + n]];
  });
  return out;
}

void LinearWeight::copy_row(int64_t n, float* out) const {
  TANDEM_CHECK(n >= 0 && n < outputs_, "row {} of {}", n, outputs_);
  widen_rows(n, 1, out);
}

}  // namespace tandem
