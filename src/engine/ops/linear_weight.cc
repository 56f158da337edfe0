// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/linear_weight.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/error.h"
#include "engine/kernels/gemm.h"
#include "formats/hf_folder.h"

namespace tandem::engine {
namespace {

// Rows of W in one task: wide enough that packing x for the product costs little, narrow enough
// that a small layer still feeds several threads.
constexpr int64_t kTile = 256;

}  // namespace

LinearWeight::LinearWeight(StoredTensor weight, const StoredTensor* bias, Precision precision)
    : weight_(std::move(weight)), product_(weight_product(precision)) {
  if (!bias) return;
  bias_ = bias->read();
  if (std::ssize(bias_) != outputs())
    throw FormatError("tensor '{}' has {} elements, expected {}", bias->name(), bias_.size(),
                      outputs());
}

void LinearWeight::add_low_rank(LowRank addition) {
  const auto a = static_cast<int64_t>(addition.a.size()),
             b = static_cast<int64_t>(addition.b.size());
  if (addition.rank < 1 || a != addition.rank * inputs() || b != addition.rank * outputs())
    throw FormatError("an addition of rank {} with {} and {} elements does not fit {} {}",
                      addition.rank, a, b, weight_.tensor().name(),
                      format_shape(weight_.tensor().shape()));
  low_rank_ = std::make_shared<const LowRank>(std::move(addition));
}

Matrix LinearWeight::low_rank_input(const Matrix& x) const {
  if (!low_rank_) return {};
  Matrix input(x.rows, low_rank_->rank);
  sgemm(false, true, x.rows, low_rank_->rank, inputs(), 1, x.data(), inputs(), low_rank_->a.data(),
        inputs(), 0, input.data(), low_rank_->rank);
  return input;
}

void LinearWeight::add_rest(const Matrix& low_rank, int64_t begin, int64_t count,
                            const int32_t* list, Matrix& out) const {
  if (low_rank_) {
    const int64_t rank = low_rank_->rank;
    const float* b = low_rank_->b.data() + begin * rank;
    std::vector<float> gathered;
    if (list) {
      gathered.resize(count * rank);
      for (int64_t n = 0; n < count; ++n)
        std::copy_n(low_rank_->b.data() + list[begin + n] * rank, rank, gathered.data() + n * rank);
      b = gathered.data();
    }
    sgemm(false, true, out.rows, count, rank, low_rank_->scale, low_rank.data(), rank, b, rank, 1,
          out.data() + begin, out.columns);
  }
  if (bias_.empty()) return;
  for (int64_t r = 0; r < out.rows; ++r)
    for (int64_t n = begin; n < begin + count; ++n) out.row(r)[n] += bias_[list ? list[n] : n];
}

Matrix LinearWeight::apply_some(const Matrix& x, int64_t total, const int32_t* list,
                                ThreadPool& pool) const {
  TANDEM_CHECK(x.columns == inputs(), "{} columns for {} inputs", x.columns, inputs());
  Matrix out(x.rows, total);
  if (x.rows == 0) return out;
  const Matrix low_rank = low_rank_input(x);
  std::visit(
      [&](const auto& product) {
        using Element = typename std::decay_t<decltype(product)>::Element;
        const auto input = product.prepare(x, pool);
        std::vector<TileScratch> scratch(pool.size());
        pool.parallel_for((total + kTile - 1) / kTile, [&](int64_t index, int worker) {
          const int64_t begin = index * kTile, count = std::min(kTile, total - begin);
          const auto* w = list ? weight_.gather<Element>({list + begin, static_cast<size_t>(count)},
                                                         scratch[worker])
                               : weight_.tile<Element>(begin, count, scratch[worker]);
          product.multiply(x.rows, count, inputs(), input, w, out.data() + begin, total);
          add_rest(low_rank, begin, count, list, out);
        });
      },
      product_);
  return out;
}

Matrix LinearWeight::apply(const Matrix& x, ThreadPool& pool) const {
  return apply_some(x, outputs(), nullptr, pool);
}

Matrix LinearWeight::apply(const Matrix& x, std::span<const int32_t> outputs,
                           ThreadPool& pool) const {
  for (const int32_t row : outputs)
    TANDEM_CHECK(row >= 0 && row < this->outputs(), "row {} of {}", row, this->outputs());
  return apply_some(x, std::ssize(outputs), outputs.data(), pool);
}

void LinearWeight::copy_row(int64_t n, float* out) const {
  TANDEM_CHECK(n >= 0 && n < outputs(), "row {} of {}", n, outputs());
  weight_.read(n, 1, out);
}

}  // namespace tandem::engine
