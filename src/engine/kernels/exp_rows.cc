// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/exp_rows.h"

#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/exp_rows.cc"
#include <hwy/foreach_target.h>
// Highway's own headers come after foreach_target.h.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include "engine/kernels/exp_row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tandem::engine {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

void exp_rows_kernel(float* x, int64_t rows, int64_t columns, int64_t stride, const float* bias,
                     float* max, float* sum) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  // A row's tail is one partial vector; its missing lanes are left out of maximum and sum.
  const int64_t whole = columns / lanes * lanes;
  const auto tail = hn::FirstN(d, static_cast<size_t>(columns - whole));
  const auto lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
  for (int64_t r = 0; r < rows; ++r) {
    float* row = x + r * stride;
    auto top = lowest;
    for (int64_t c = 0; c < whole; c += lanes) {
      const auto v = hn::Add(hn::LoadU(d, row + c), hn::LoadU(d, bias + c));
      hn::StoreU(v, d, row + c);
      top = hn::Max(top, v);
    }
    if (whole < columns) {
      const auto v =
          hn::Add(hn::MaskedLoad(tail, d, row + whole), hn::MaskedLoad(tail, d, bias + whole));
      hn::BlendedStore(v, tail, d, row + whole);
      top = hn::Max(top, hn::IfThenElse(tail, v, lowest));
    }
    max[r] = hn::GetLane(hn::MaxOfLanes(d, top));
    sum[r] = exp_row(d, row, columns, hn::Set(d, max[r]));
  }
}

void scale_rows_kernel(float* x, int64_t rows, int64_t columns, int64_t stride, const float* factor,
                       float* column_sum) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t whole = columns / lanes * lanes;
  for (int64_t r = 0; r < rows; ++r) {
    float* row = x + r * stride;
    const auto by = hn::Set(d, factor[r]);
    for (int64_t c = 0; c < whole; c += lanes) {
      const auto scaled = hn::Mul(hn::LoadU(d, row + c), by);
      hn::StoreU(scaled, d, row + c);
      hn::StoreU(hn::Add(hn::LoadU(d, column_sum + c), scaled), d, column_sum + c);
    }
    for (int64_t c = whole; c < columns; ++c) {
      row[c] *= factor[r];
      column_sum[c] += row[c];
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tandem::engine
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tandem::engine {

HWY_EXPORT(exp_rows_kernel);
HWY_EXPORT(scale_rows_kernel);

void exp_rows(float* x, int64_t rows, int64_t columns, int64_t stride, const float* bias,
              float* max, float* sum) {
  HWY_DYNAMIC_DISPATCH(exp_rows_kernel)(x, rows, columns, stride, bias, max, sum);
}

void scale_rows(float* x, int64_t rows, int64_t columns, int64_t stride, const float* factor,
                float* column_sum) {
  HWY_DYNAMIC_DISPATCH(scale_rows_kernel)(x, rows, columns, stride, factor, column_sum);
}

}  // namespace tandem::engine
#endif
