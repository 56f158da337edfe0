// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/thread_pool.h"
#include "engine/ops/matrix.h"
#include "engine/ops/stored_weight.h"
#include "engine/ops/weight_product.h"
#include "formats/stored_tensor.h"
#include "models/precision.h"

namespace tandem::engine {

// A low-rank addition to a weight, LoRA's: W + scale B A.
struct LowRank {
  int64_t rank = 0;
  std::vector<float> a;  // [rank, K]
  std::vector<float> b;  // [N, rank]
  float scale = 1;
};

// A linear layer: a weight [N, K] where the checkpoint has it (StoredWeight), the product that
// multiplies it (WeightProduct), and what is added in float32, of x as it came: a low-rank product
// and a bias. Tiles depend on the shape alone, so the bits do not depend on the number of threads.
// Nothing is copied at load, so the system can drop pages of a model larger than memory.
class LinearWeight {
 public:
  LinearWeight() = default;
  // The tensors' files must outlive this object. Throws FormatError for shapes that do not fit.
  explicit LinearWeight(StoredTensor weight, const StoredTensor* bias = nullptr,
                        Precision precision = Precision::kFloat32);

  // Adds scale (x A^T) B^T to every product; W itself stays as it is. A copy of this object shares
  // it. Throws FormatError when A and B do not fit.
  void add_low_rank(LowRank addition);

  int64_t outputs() const { return weight_.outputs(); }  // N
  int64_t inputs() const { return weight_.inputs(); }    // K

  // x W^T + bias, [rows, N].
  Matrix apply(const Matrix& x, ThreadPool& pool) const;
  // The same for some outputs only, [rows, outputs.size()]: the head at label tokens.
  Matrix apply(const Matrix& x, std::span<const int32_t> outputs, ThreadPool& pool) const;
  // Row n of W as it is stored, K floats: an embedding.
  void copy_row(int64_t n, float* out) const;

 private:
  // Of `total` outputs: those of a list, or without one the first.
  Matrix apply_some(const Matrix& x, int64_t total, const int32_t* list, ThreadPool& pool) const;
  // x A^T, [rows, rank]; empty without a low-rank addition.
  Matrix low_rank_input(const Matrix& x) const;
  // Adds low-rank product and bias of outputs [begin, begin + count) to out, row stride ldo.
  void add_rest(const Matrix& low_rank, int64_t begin, int64_t count, const int32_t* list,
                Matrix& out) const;

  StoredWeight weight_;
  WeightProduct product_;
  std::vector<float> bias_;
  std::shared_ptr<const LowRank> low_rank_;
};

}  // namespace tandem::engine
