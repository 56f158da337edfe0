// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/thread_pool.h"
#include "engine/ops/matrix.h"
#include "formats/stored_tensor.h"

namespace tandem {

// A low-rank addition to a weight, LoRA's: W + scale B A.
struct LowRank {
  int64_t rank = 0;
  std::vector<float> a;  // [rank, K]
  std::vector<float> b;  // [N, rank]
  float scale = 1;
};

// A linear layer's weight [N, K] where the checkpoint has it: F32 is used in place, every other
// form (F16, BF16, NF4, GGUF blocks) is expanded one tile of rows at a time into a thread's
// scratch. Nothing is copied at load, so the system can drop pages of a model larger than memory.
// Arithmetic is float32.
//
// Tiles depend on the shape alone, so the bits do not depend on the number of threads.
class LinearWeight {
 public:
  LinearWeight() = default;
  // The tensors' files must outlive this object. Throws FormatError for shapes that do not fit.
  explicit LinearWeight(StoredTensor weight, const StoredTensor* bias = nullptr);

  // Adds scale (x A^T) B^T to every product; W itself stays as it is. A copy of this object shares
  // it. Throws FormatError when A and B do not fit.
  void add_low_rank(LowRank addition);

  int64_t outputs() const { return outputs_; }  // N
  int64_t inputs() const { return inputs_; }    // K

  // x W^T + bias, [rows, N].
  Matrix apply(const Matrix& x, ThreadPool& pool) const;
  // The same for some outputs only, [rows, outputs.size()]: the head at label tokens.
  Matrix apply(const Matrix& x, std::span<const int32_t> outputs, ThreadPool& pool) const;
  // Row n of W as floats, K values: an embedding.
  void copy_row(int64_t n, float* out) const;

 private:
  // Rows [begin, begin + count) as floats, in place or in scratch.
  const float* tile(int64_t begin, int64_t count, std::vector<float>& scratch) const;
  void widen_rows(int64_t begin, int64_t count, float* out) const;
  Matrix low_rank_inputs(const Matrix& x) const;  // x A^T

  StoredTensor weight_;
  int64_t outputs_ = 0, inputs_ = 0;
  std::vector<float> bias_;
  std::shared_ptr<const LowRank> low_rank_;
};

}  // namespace tandem
