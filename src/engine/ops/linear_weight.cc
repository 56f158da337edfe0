// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/linear_weight.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/error.h"
#include "engine/kernels/gemm.h"
#include "engine/kernels/vector_ops.h"
#include "formats/hf_folder.h"

namespace tandem::engine {
namespace {

// Rows of W in one task: wide enough that packing x for the product costs little, narrow enough
// that a small layer still feeds several threads.
constexpr int64_t kTile = 256;

}  // namespace

LinearWeight::LinearWeight(StoredTensor weight, const StoredTensor* bias, Precision precision)
    : weight_(std::move(weight)), precision_(precision) {
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

template <typename T>
const T* LinearWeight::in_place(DType dtype, int64_t begin) const {
  const TensorView* view = weight_.floats();
  if (!view || view->dtype != dtype) return nullptr;
  const std::byte* data = view->bytes.data() + begin * inputs_ * int64_t{sizeof(T)};
  const bool is_aligned = reinterpret_cast<uintptr_t>(data) % alignof(T) == 0;
  return is_aligned ? reinterpret_cast<const T*>(data) : nullptr;
}

void LinearWeight::read_floats(int64_t begin, int64_t count, float* out) const {
  // The common half-precision files go through the machine's widest vectors.
  if (const auto* bf16 = in_place<uint16_t>(DType::kBf16, begin))
    return widen_bf16(bf16, count * inputs_, out);
  if (const auto* f16 = in_place<uint16_t>(DType::kF16, begin))
    return widen_f16(f16, count * inputs_, out);
  weight_.read_rows(begin, count, out);
}

void LinearWeight::read_bf16(int64_t begin, int64_t count, Scratch& scratch, uint16_t* out) const {
  if (const auto* bf16 = in_place<uint16_t>(DType::kBf16, begin)) {
    std::copy_n(bf16, count * inputs_, out);
  } else if (const Nf4Tensor* nf4 = weight_.nf4()) {
    nf4->dequantize_bf16(begin * inputs_, count * inputs_, out);
  } else {
    narrow_bf16(float_tile(begin, count, scratch), count * inputs_, out);
  }
}

const float* LinearWeight::float_tile(int64_t begin, int64_t count, Scratch& scratch) const {
  if (const auto* data = in_place<float>(DType::kF32, begin)) return data;
  scratch.floats.resize(static_cast<size_t>(count * inputs_));
  read_floats(begin, count, scratch.floats.data());
  return scratch.floats.data();
}

const uint16_t* LinearWeight::bf16_tile(int64_t begin, int64_t count, Scratch& scratch) const {
  if (const auto* data = in_place<uint16_t>(DType::kBf16, begin)) return data;
  scratch.halves.resize(static_cast<size_t>(count * inputs_));
  read_bf16(begin, count, scratch, scratch.halves.data());
  return scratch.halves.data();
}

LinearWeight::Input LinearWeight::prepare(const Matrix& x, ThreadPool& pool) const {
  TANDEM_CHECK(x.columns == inputs_, "{} columns for {} inputs", x.columns, inputs_);
  Input input{.x = x, .halves = {}, .low_rank = {}};
  if (precision_ == Precision::kBfloat16) {
    input.halves.resize(x.values.size());
    constexpr int64_t kRows = 64;  // in one task
    pool.parallel_for((x.rows + kRows - 1) / kRows, [&](int64_t index, int) {
      const int64_t begin = index * kRows, count = std::min(kRows, x.rows - begin);
      narrow_bf16(x.row(begin), count * inputs_, input.halves.data() + begin * inputs_);
    });
  }
  if (low_rank_ && x.rows > 0) {
    input.low_rank = Matrix(x.rows, low_rank_->rank);
    sgemm(false, true, x.rows, low_rank_->rank, inputs_, 1, x.data(), inputs_, low_rank_->a.data(),
          inputs_, 0, input.low_rank.data(), low_rank_->rank);
  }
  return input;
}

void LinearWeight::multiply(const Input& input, int64_t begin, int64_t count, Scratch& scratch,
                            float* out, int64_t ldo) const {
  const Matrix& x = input.x;
  if (precision_ == Precision::kBfloat16) {
    bf16_gemm(x.rows, count, inputs_, input.halves.data(), inputs_,
              bf16_tile(begin, count, scratch), inputs_, out, ldo);
  } else {
    sgemm(false, true, x.rows, count, inputs_, 1, x.data(), inputs_,
          float_tile(begin, count, scratch), inputs_, 0, out, ldo);
  }
  if (low_rank_) {
    const int64_t rank = low_rank_->rank;
    sgemm(false, true, x.rows, count, rank, low_rank_->scale, input.low_rank.data(), rank,
          low_rank_->b.data() + begin * rank, rank, 1, out, ldo);
  }
  if (bias_.empty()) return;
  for (int64_t r = 0; r < x.rows; ++r)
    for (int64_t n = 0; n < count; ++n) out[r * ldo + n] += bias_[begin + n];
}

void LinearWeight::multiply(const Input& input, std::span<const int32_t> rows, Scratch& scratch,
                            float* out, int64_t ldo) const {
  const Matrix& x = input.x;
  const auto count = static_cast<int64_t>(rows.size());
  for (const int32_t row : rows) TANDEM_CHECK(row >= 0 && row < outputs_, "row {}", row);
  std::vector<float> gathered;
  if (precision_ == Precision::kBfloat16) {
    std::vector<uint16_t> w(static_cast<size_t>(count * inputs_));
    for (int64_t n = 0; n < count; ++n) read_bf16(rows[n], 1, scratch, w.data() + n * inputs_);
    bf16_gemm(x.rows, count, inputs_, input.halves.data(), inputs_, w.data(), inputs_, out, ldo);
  } else {
    gathered.resize(static_cast<size_t>(count * inputs_));
    for (int64_t n = 0; n < count; ++n) read_floats(rows[n], 1, gathered.data() + n * inputs_);
    sgemm(false, true, x.rows, count, inputs_, 1, x.data(), inputs_, gathered.data(), inputs_, 0,
          out, ldo);
  }
  if (low_rank_) {
    const int64_t rank = low_rank_->rank;
    gathered.resize(static_cast<size_t>(count * rank));
    for (int64_t n = 0; n < count; ++n)
      std::copy_n(low_rank_->b.data() + rows[n] * rank, rank, gathered.data() + n * rank);
    sgemm(false, true, x.rows, count, rank, low_rank_->scale, input.low_rank.data(), rank,
          gathered.data(), rank, 1, out, ldo);
  }
  if (bias_.empty()) return;
  for (int64_t r = 0; r < x.rows; ++r)
    for (int64_t n = 0; n < count; ++n) out[r * ldo + n] += bias_[rows[n]];
}

Matrix LinearWeight::apply(const Matrix& x, ThreadPool& pool) const {
  const Input input = prepare(x, pool);
  Matrix out(x.rows, outputs_);
  if (x.rows == 0) return out;
  std::vector<Scratch> scratch(static_cast<size_t>(pool.size()));
  pool.parallel_for((outputs_ + kTile - 1) / kTile, [&](int64_t index, int worker) {
    const int64_t begin = index * kTile, count = std::min(kTile, outputs_ - begin);
    multiply(input, begin, count, scratch[worker], out.data() + begin, outputs_);
  });
  return out;
}

Matrix LinearWeight::apply(const Matrix& x, std::span<const int32_t> outputs,
                           ThreadPool& pool) const {
  const Input input = prepare(x, pool);
  const auto total = static_cast<int64_t>(outputs.size());
  Matrix out(x.rows, total);
  if (x.rows == 0) return out;
  std::vector<Scratch> scratch(static_cast<size_t>(pool.size()));
  pool.parallel_for((total + kTile - 1) / kTile, [&](int64_t index, int worker) {
    const int64_t begin = index * kTile, count = std::min(kTile, total - begin);
    multiply(input, outputs.subspan(static_cast<size_t>(begin), static_cast<size_t>(count)),
             scratch[worker], out.data() + begin, total);
  });
  return out;
}

void LinearWeight::copy_row(int64_t n, float* out) const {
  TANDEM_CHECK(n >= 0 && n < outputs_, "row {} of {}", n, outputs_);
  read_floats(n, 1, out);
}

}  // namespace tandem::engine
