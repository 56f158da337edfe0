// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/thread_pool.h"
#include "engine/ops/matrix.h"
#include "formats/safetensors.h"

namespace tandem {

// One vector of a checkpoint (norm weights, biases) as floats; F32, F16 or BF16.
std::vector<float> to_floats(const TensorView& view);

// A linear layer's weight [N, K] where the checkpoint has it: F32 is used in place, F16 and BF16
// are widened one tile of rows at a time into a thread's scratch. Nothing is copied at load, so the
// system can drop pages of a model larger than memory. Arithmetic is float32.
//
// Tiles depend on the shape alone, so the bits do not depend on the number of threads.
class LinearWeight {
 public:
  LinearWeight() = default;
  // The views must outlive this object. Throws FormatError for another dtype.
  explicit LinearWeight(const TensorView& weight, const TensorView* bias = nullptr);

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

  DType dtype_ = DType::kF32;
  std::span<const std::byte> bytes_;
  int64_t outputs_ = 0, inputs_ = 0;
  std::vector<float> bias_;
};

}  // namespace tandem
