// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "core/thread_pool.h"
#include "engine/ops/matrix.h"
#include "models/precision.h"

namespace tandem::engine {

// How x W^T is computed. A product has the element type of W's rows (StoredWeight::tile), makes x's
// operand once, and multiplies the two with float32 sums:
//
//   Input prepare(x, pool)                            x [M, K] as the product wants it
//   multiply(m, n, k, input, rows of W, out, ldo)     out [m, n] with row stride ldo

// float32 operands.
struct Float32Product {
  using Element = float;
  struct Input {
    const float* data;
  };
  Input prepare(const Matrix& x, ThreadPool& pool) const;
  void multiply(int64_t m, int64_t n, int64_t k, const Input& x, const float* w, float* out,
                int64_t ldo) const;
};

// Operands rounded to bfloat16.
struct Bfloat16Product {
  using Element = uint16_t;
  struct Input {
    std::vector<uint16_t> data;
  };
  Input prepare(const Matrix& x, ThreadPool& pool) const;
  void multiply(int64_t m, int64_t n, int64_t k, const Input& x, const uint16_t* w, float* out,
                int64_t ldo) const;
};

using WeightProduct = std::variant<Float32Product, Bfloat16Product>;
WeightProduct weight_product(Precision precision);

}  // namespace tandem::engine
