// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/weight_product.h"

#include <algorithm>

#include "engine/kernels/gemm.h"
#include "engine/kernels/vector_ops.h"

namespace tandem::engine {

Float32Product::Input Float32Product::prepare(const Matrix& x, ThreadPool&) const {
  return {x.data()};
}

void Float32Product::multiply(int64_t m, int64_t n, int64_t k, const Input& x, const float* w,
                              float* out, int64_t ldo) const {
  sgemm(false, true, m, n, k, 1, x.data, k, w, k, 0, out, ldo);
}

Bfloat16Product::Input Bfloat16Product::prepare(const Matrix& x, ThreadPool& pool) const {
  Input input{std::vector<uint16_t>(x.values.size())};
  constexpr int64_t kRows = 64;  // in one task
  pool.parallel_for((x.rows + kRows - 1) / kRows, [&](int64_t index, int) {
    const int64_t begin = index * kRows, count = std::min(kRows, x.rows - begin);
    narrow_bf16(x.row(begin), count * x.columns, input.data.data() + begin * x.columns);
  });
  return input;
}

void Bfloat16Product::multiply(int64_t m, int64_t n, int64_t k, const Input& x, const uint16_t* w,
                               float* out, int64_t ldo) const {
  bf16_gemm(m, n, k, x.data.data(), k, w, k, out, ldo);
}

WeightProduct weight_product(Precision precision) {
  if (precision == Precision::kBfloat16) return Bfloat16Product{};
  return Float32Product{};
}

}  // namespace tandem::engine
