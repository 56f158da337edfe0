// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "core/thread_pool.h"
#include "engine/ops/matrix.h"
#include "engine/ops/stored_weight.h"
#include "models/precision.h"

namespace tandem::engine {

// How x W^T is computed. A product has an element type, makes x's operand once and W's a tile of
// rows at a time, and multiplies the two with float32 sums:
//
//   Input prepare(x, pool)                            x [M, K] as the product wants it
//   const Element* tile(w, begin, count, scratch)     rows of W, in place or in scratch
//   const Element* gather(w, rows, scratch)           a list of rows
//   multiply(m, n, k, input, tile, out, ldo)          out [m, n] with row stride ldo

// Room for a tile, from call to call: one a thread.
struct TileScratch {
  std::vector<float> floats;
  std::vector<uint16_t> halves;
};

// float32 operands.
struct Float32Product {
  using Element = float;
  struct Input {
    const float* data;
  };
  Input prepare(const Matrix& x, ThreadPool& pool) const;
  const float* tile(const StoredWeight& w, int64_t begin, int64_t count,
                    TileScratch& scratch) const;
  const float* gather(const StoredWeight& w, std::span<const int32_t> rows,
                      TileScratch& scratch) const;
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
  const uint16_t* tile(const StoredWeight& w, int64_t begin, int64_t count,
                       TileScratch& scratch) const;
  const uint16_t* gather(const StoredWeight& w, std::span<const int32_t> rows,
                         TileScratch& scratch) const;
  void multiply(int64_t m, int64_t n, int64_t k, const Input& x, const uint16_t* w, float* out,
                int64_t ldo) const;
};

using WeightProduct = std::variant<Float32Product, Bfloat16Product>;
WeightProduct weight_product(Precision precision);

}  // namespace tandem::engine
