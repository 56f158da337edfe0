// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/thread_pool.h"
#include "engine/ops/matrix.h"
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

// A linear layer's weight [N, K] where the checkpoint has it: a form that the precision multiplies
// (F32, BF16) is used in place, every other one (F16, NF4, GGUF blocks, F32 in bfloat16) is
// expanded one tile of rows at a time into a thread's scratch. Nothing is copied at load, so the
// system can drop pages of a model larger than memory.
//
// In bfloat16 x and W are rounded, the sums are float32 and leave unrounded; bias and low-rank
// addition stay float32, of x as it came. Tiles depend on the shape alone, so the bits do not
// depend on the number of threads.
class LinearWeight {
 public:
  LinearWeight() = default;
  // The tensors' files must outlive this object. Throws FormatError for shapes that do not fit.
  explicit LinearWeight(StoredTensor weight, const StoredTensor* bias = nullptr,
                        Precision precision = Precision::kFloat32);

  // Adds scale (x A^T) B^T to every product; W itself stays as it is. A copy of this object shares
  // it. Throws FormatError when A and B do not fit.
  void add_low_rank(LowRank addition);

  int64_t outputs() const { return outputs_; }  // N
  int64_t inputs() const { return inputs_; }    // K

  // x W^T + bias, [rows, N].
  Matrix apply(const Matrix& x, ThreadPool& pool) const;
  // The same for some outputs only, [rows, outputs.size()]: the head at label tokens.
  Matrix apply(const Matrix& x, std::span<const int32_t> outputs, ThreadPool& pool) const;
  // Row n of W as it is stored, K floats: an embedding.
  void copy_row(int64_t n, float* out) const;

 private:
  // A thread's room for a tile.
  struct Scratch {
    std::vector<float> floats;
    std::vector<uint16_t> halves;
  };
  // x as the products want it.
  struct Input {
    const Matrix& x;
    std::vector<uint16_t> halves;  // rounded to BF16, in that precision
    Matrix low_rank;               // x A^T, with a low-rank addition
  };
  Input prepare(const Matrix& x, ThreadPool& pool) const;
  // out[:, 0..count) with row stride ldo from rows [begin, begin + count), or from a list of rows.
  void multiply(const Input& input, int64_t begin, int64_t count, Scratch& scratch, float* out,
                int64_t ldo) const;
  void multiply(const Input& input, std::span<const int32_t> rows, Scratch& scratch, float* out,
                int64_t ldo) const;

  // Rows [begin, begin + count), in place or in scratch.
  const float* float_tile(int64_t begin, int64_t count, Scratch& scratch) const;
  const uint16_t* bf16_tile(int64_t begin, int64_t count, Scratch& scratch) const;
  // The same written to `out`, which has `count` rows.
  void read_floats(int64_t begin, int64_t count, float* out) const;
  void read_bf16(int64_t begin, int64_t count, Scratch& scratch, uint16_t* out) const;
  // The file's own elements at row `begin`, if they have this type and lie at a whole address.
  template <typename T>
  const T* in_place(DType dtype, int64_t begin) const;

  StoredTensor weight_;
  Precision precision_ = Precision::kFloat32;
  int64_t outputs_ = 0, inputs_ = 0;
  std::vector<float> bias_;
  std::shared_ptr<const LowRank> low_rank_;
};

}  // namespace tandem::engine
