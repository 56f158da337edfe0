// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/packed_matrix.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/packed_matrix.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tandem::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kPanel = 32;

// kRows rows of x against one panel; the accumulators stay in registers.
template <int kRows, int kVectors, class D>
HWY_INLINE void panel_product(D d, const float* HWY_RESTRICT panel, int64_t columns,
                              const float* HWY_RESTRICT x, int64_t ldx, const float* bias,
                              float* HWY_RESTRICT out, int64_t ldo) {
  using V = hn::Vec<D>;
  const size_t lanes = hn::Lanes(d);
  V sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);
  for (int64_t k = 0; k < columns; ++k) {
    V w[kVectors];
    for (int v = 0; v < kVectors; ++v) w[v] = hn::LoadU(d, panel + k * kPanel + v * lanes);
    for (int r = 0; r < kRows; ++r) {
      const V xk = hn::Set(d, x[r * ldx + k]);
      for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(xk, w[v], sum[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      const V b = bias ? hn::LoadU(d, bias + v * lanes) : hn::Zero(d);
      hn::StoreU(bias ? hn::Add(sum[r][v], b) : sum[r][v], d, out + r * ldo + v * lanes);
    }
  }
}

template <int kVectors, int kMaxRows, class D>
HWY_INLINE void panel_rows(D d, const float* panel, int64_t columns, const float* x, int64_t ldx,
                           int64_t batch, const float* bias, float* out, int64_t ldo) {
  int64_t b = 0;
  for (; b + kMaxRows <= batch; b += kMaxRows)
    panel_product<kMaxRows, kVectors>(d, panel, columns, x + b * ldx, ldx, bias, out + b * ldo,
                                      ldo);
  for (; b < batch; ++b)
    panel_product<1, kVectors>(d, panel, columns, x + b * ldx, ldx, bias, out + b * ldo, ldo);
}

void panel_batch(const float* panel, int64_t columns, const float* x, int64_t ldx, int64_t batch,
                 const float* bias, float* out, int64_t ldo) {
  // At most 12 accumulators, whatever the width: they, the weights and one x fit 16 registers.
#if HWY_TARGET <= HWY_AVX3
  const hn::FixedTag<float, 16> d;
  panel_rows<2, 6>(d, panel, columns, x, ldx, batch, bias, out, ldo);
#elif HWY_TARGET <= HWY_AVX2
  const hn::FixedTag<float, 8> d;
  panel_rows<4, 3>(d, panel, columns, x, ldx, batch, bias, out, ldo);
#else
  const hn::FixedTag<float, 4> d;
  panel_rows<8, 1>(d, panel, columns, x, ldx, batch, bias, out, ldo);
#endif
}

}  // namespace tandem::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tandem::engine {

HWY_EXPORT(panel_batch);

void pack_panels(const float* w, int64_t rows, int64_t columns, int64_t stride, float* out) {
  constexpr int64_t kPanel = PackedMatrix::kPanel;
  for (int64_t begin = 0; begin < rows; begin += kPanel) {
    const int64_t count = std::min(kPanel, rows - begin);
    float* panel = out + begin * columns;
    if (count < kPanel) std::fill_n(panel, kPanel * columns, 0.0f);
    for (int64_t j = 0; j < count; ++j) {
      const float* row = w + (begin + j) * stride;
      for (int64_t k = 0; k < columns; ++k) panel[k * kPanel + j] = row[k];
    }
  }
}

void multiply_panels(const float* panels, int64_t columns, int64_t count, const float* x,
                     int64_t ldx, int64_t batch, const float* bias, float* out, int64_t ldo) {
  constexpr int64_t kPanel = PackedMatrix::kPanel;
  // Rows in blocks whose x stays in the first-level cache while the panels pass by.
  constexpr int64_t kBlock = 48;
  const auto product = HWY_DYNAMIC_DISPATCH(panel_batch);
  for (int64_t b = 0; b < batch; b += kBlock) {
    const int64_t rows = std::min(kBlock, batch - b);
    for (int64_t n = 0; n < count; n += kPanel) {
      const float* panel = panels + n * columns;
      const int64_t outputs = std::min(kPanel, count - n);
      if (outputs == kPanel) {
        product(panel, columns, x + b * ldx, ldx, rows, bias ? bias + n : nullptr,
                out + b * ldo + n, ldo);
        continue;
      }
      float edge[kBlock * kPanel], edge_bias[kPanel] = {};
      if (bias) std::copy_n(bias + n, outputs, edge_bias);
      product(panel, columns, x + b * ldx, ldx, rows, bias ? edge_bias : nullptr, edge, kPanel);
      for (int64_t r = 0; r < rows; ++r)
        std::copy_n(edge + r * kPanel, outputs, out + (b + r) * ldo + n);
    }
  }
}

float chained_dot(const float* a, const float* b, int64_t count) {
  float sum = 0;
  for (int64_t k = 0; k < count; ++k) sum = std::fma(a[k], b[k], sum);
  return sum;
}

PackedMatrix::PackedMatrix(const float* w, int64_t rows, int64_t columns, int64_t stride)
    : rows_(rows), columns_(columns), panels_((rows + kPanel - 1) / kPanel * kPanel * columns) {
  pack_panels(w, rows, columns, stride, panels_.data());
}

PackedMatrix::PackedMatrix(int64_t rows, int64_t columns,
                           const std::function<void(int64_t row, float* out)>& read)
    : rows_(rows), columns_(columns), panels_((rows + kPanel - 1) / kPanel * kPanel * columns) {
  std::vector<float> panel(static_cast<size_t>(kPanel * columns));
  for (int64_t begin = 0; begin < rows; begin += kPanel) {
    const int64_t count = std::min(kPanel, rows - begin);
    for (int64_t j = 0; j < count; ++j) read(begin + j, panel.data() + j * columns);
    pack_panels(panel.data(), count, columns, columns, panels_.data() + begin * columns);
  }
}

void PackedMatrix::copy_row(int64_t n, float* out) const {
  TANDEM_DCHECK(n >= 0 && n < rows_, "row {} of {}", n, rows_);
  const float* first = panels_.data() + n / kPanel * kPanel * columns_ + n % kPanel;
  for (int64_t k = 0; k < columns_; ++k) out[k] = first[k * kPanel];
}

void PackedMatrix::multiply(const float* x, int64_t ldx, int64_t batch, const float* bias,
                            float* out, int64_t ldo) const {
  multiply_panels(panels_.data(), columns_, rows_, x, ldx, batch, bias, out, ldo);
}

}  // namespace tandem::engine
#endif  // HWY_ONCE
