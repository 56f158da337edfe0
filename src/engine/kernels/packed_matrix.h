// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace tandem::engine {

// A weight [N, K] stored for products x W^T: panels of 32 of its rows, each panel with K as the
// outer and the row as the inner axis, so that a vector register holds one k of many outputs.
//
// Every output is one chain of fused multiply-adds over k = 0..K-1, then + bias. Its bits therefore
// depend on the row of x and the row of W alone: not on the batch, the tile, the number of threads
// or the instruction set. A batch of one equals a batch of many, and one step equals a scan,
// exactly.
class PackedMatrix {
 public:
  static constexpr int64_t kPanel = 32;

  PackedMatrix() = default;
  // w [rows, columns] with the given row stride.
  PackedMatrix(const float* w, int64_t rows, int64_t columns, int64_t stride);
  // read(n, out) writes row n of W, K values; called once a row, in order.
  PackedMatrix(int64_t rows, int64_t columns,
               const std::function<void(int64_t row, float* out)>& read);

  int64_t rows() const { return rows_; }        // N, outputs
  int64_t columns() const { return columns_; }  // K
  const float* panels() const { return panels_.data(); }
  // Copies row n of W, K values.
  void copy_row(int64_t n, float* out) const;

  // out[b, n] = sum_k x[b, k] W[n, k] (+ bias[n]); row strides ldx, ldo. On the calling thread.
  void multiply(const float* x, int64_t ldx, int64_t batch, const float* bias, float* out,
                int64_t ldo) const;

 private:
  int64_t rows_ = 0, columns_ = 0;
  std::vector<float> panels_;  // [ceil(N / 32), K, 32], zeros behind row N
};

// The parts, for callers that pack tile by tile.
//
// Packs w [rows, columns] into ceil(rows / 32) panels at out.
void pack_panels(const float* w, int64_t rows, int64_t columns, int64_t stride, float* out);
// out[b, n] for n in 0..count-1, from packed panels; bias may be null.
void multiply_panels(const float* panels, int64_t columns, int64_t count, const float* x,
                     int64_t ldx, int64_t batch, const float* bias, float* out, int64_t ldo);
// The same number, bit for bit, of one pair of rows.
float chained_dot(const float* a, const float* b, int64_t count);

}  // namespace tandem::engine
