// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/products.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <algorithm>

#include "core/error.h"
#include "engine/kernels/gemm.h"
#include "learn/ops/kernels.h"

namespace tandem::learn {
namespace {

// Columns of the result in one task when there are enough of them: wide, so that packing the left
// operand costs little. Narrow results are cut by rows.
constexpr int64_t kTileColumns = 256, kTileRows = 128;

bool is_ours(const at::Tensor& a) { return a.scalar_type() == at::kFloat && takes_kernel(a); }

// C [m, n] = op(A) op(B), all contiguous as stored.
at::Tensor tiled(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                 const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor left = a.contiguous(), right = b.contiguous();
  at::Tensor c = at::empty({m, n}, a.options());
  const auto *from_a = left.const_data_ptr<float>(), *from_b = right.const_data_ptr<float>();
  float* to = c.data_ptr<float>();
  const int64_t lda = left.size(1), ldb = right.size(1);
  const bool by_columns = n >= 2 * kTileColumns;
  const int64_t tile = by_columns ? kTileColumns : kTileRows, count = by_columns ? n : m;
  at::parallel_for(0, (count + tile - 1) / tile, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t begin = i * tile, size = std::min(tile, count - begin);
      if (by_columns) {
        engine::sgemm(transpose_a, transpose_b, m, size, k, 1, from_a, lda,
                      from_b + (transpose_b ? begin * ldb : begin), ldb, 0, to + begin, n);
      } else {
        engine::sgemm(transpose_a, transpose_b, size, n, k, 1,
                      from_a + (transpose_a ? begin : begin * lda), lda, from_b, ldb, 0,
                      to + begin * n, n);
      }
    }
  });
  return c;
}

void check(const char* name, const at::Tensor& a, const at::Tensor& b, int64_t axis_a,
           int64_t axis_b) {
  if (a.dim() == 2 && b.dim() == 2 && a.size(axis_a) == b.size(axis_b) &&
      a.scalar_type() == b.scalar_type())
    return;
  throw ShapeError("{}: {} [{}, {}] and {} [{}, {}]", name, c10::toString(a.scalar_type()),
                   a.size(0), a.size(-1), c10::toString(b.scalar_type()), b.size(0), b.size(-1));
}

}  // namespace

at::Tensor product_nt(const at::Tensor& x, const at::Tensor& w) {
  check("product_nt", x, w, 1, 1);
  if (!is_ours(x)) return at::mm(x, w.t());
  return tiled(false, true, x.size(0), w.size(0), x.size(1), x, w);
}

at::Tensor product_nn(const at::Tensor& dy, const at::Tensor& w) {
  check("product_nn", dy, w, 1, 0);
  if (!is_ours(dy)) return at::mm(dy, w);
  return tiled(false, false, dy.size(0), w.size(1), dy.size(1), dy, w);
}

at::Tensor product_tn(const at::Tensor& dy, const at::Tensor& x) {
  check("product_tn", dy, x, 0, 0);
  if (!is_ours(dy)) return at::mm(dy.t(), x);
  return tiled(true, false, dy.size(1), x.size(1), dy.size(0), dy, x);
}

}  // namespace tandem::learn
