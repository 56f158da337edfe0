// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/vector_ops.h"

#include <cmath>
#include <limits>

#include "formats/half.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/vector_ops.cc"
#include <hwy/foreach_target.h>
// Highway's own headers come after foreach_target.h.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include "engine/kernels/exp_row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tandem::engine {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <typename Half>
void widen(const uint16_t* x, int64_t count, float* out) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<Half, decltype(d)> narrow;
  const hn::Rebind<uint16_t, decltype(d)> bits;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    hn::StoreU(hn::PromoteTo(d, hn::BitCast(narrow, hn::LoadU(bits, x + i))), d, out + i);
  if (i == count) return;
  HWY_ALIGN uint16_t tail[HWY_MAX_BYTES / 4] = {};
  HWY_ALIGN float wide[HWY_MAX_BYTES / 4];
  for (int64_t j = i; j < count; ++j) tail[j - i] = x[j];
  hn::Store(hn::PromoteTo(d, hn::BitCast(narrow, hn::Load(bits, tail))), d, wide);
  for (int64_t j = i; j < count; ++j) out[j] = wide[j - i];
}

void widen_f16_kernel(const uint16_t* x, int64_t count, float* out) {
  widen<hwy::float16_t>(x, count, out);
}

void widen_bf16_kernel(const uint16_t* x, int64_t count, float* out) {
  widen<hwy::bfloat16_t>(x, count, out);
}

void narrow_bf16_kernel(const float* x, int64_t count, uint16_t* out) {
  const hn::ScalableTag<float> d;
  const hn::RebindToUnsigned<decltype(d)> wide;
  const hn::RebindToSigned<decltype(d)> signed_wide;
  const hn::Rebind<uint16_t, decltype(d)> bits;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto half = hn::Set(wide, 0x7fff), one = hn::Set(wide, 1), quiet = hn::Set(wide, 0x400000);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto v = hn::LoadU(d, x + i);
    const auto u = hn::BitCast(wide, v);
    const auto odd = hn::And(hn::ShiftRight<16>(u), one);
    const auto rounded = hn::Add(hn::Add(u, half), odd);
    const auto kept = hn::IfThenElse(hn::RebindMask(wide, hn::IsNaN(v)), hn::Or(u, quiet), rounded);
    const auto top = hn::BitCast(signed_wide, hn::ShiftRight<16>(kept));
    hn::StoreU(hn::DemoteTo(bits, top), bits, out + i);
  }
  for (; i < count; ++i) out[i] = float_to_bf16(x[i]);
}

void rms_norm_kernel(const float* x, int64_t count, const float* weight, float eps, float* out) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t whole = count / lanes * lanes;
  auto squares = hn::Zero(d);
  for (int64_t i = 0; i < whole; i += lanes) {
    const auto v = hn::LoadU(d, x + i);
    squares = hn::MulAdd(v, v, squares);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, squares));
  for (int64_t i = whole; i < count; ++i) sum += x[i] * x[i];
  const float scale = 1.0f / std::sqrt(sum / static_cast<float>(count) + eps);
  const auto by = hn::Set(d, scale);
  for (int64_t i = 0; i < whole; i += lanes)
    hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, x + i), by), hn::LoadU(d, weight + i)), d, out + i);
  for (int64_t i = whole; i < count; ++i) out[i] = x[i] * scale * weight[i];
}

void softmax_kernel(float* x, int64_t count) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t whole = count / lanes * lanes;
  const auto tail = hn::FirstN(d, static_cast<size_t>(count - whole));
  const auto lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
  auto top = lowest;
  for (int64_t i = 0; i < whole; i += lanes) top = hn::Max(top, hn::LoadU(d, x + i));
  if (whole < count)
    top = hn::Max(top, hn::IfThenElse(tail, hn::MaskedLoad(tail, d, x + whole), lowest));
  const float inverse = 1.0f / exp_row(d, x, count, hn::MaxOfLanes(d, top));
  const auto by = hn::Set(d, inverse);
  for (int64_t i = 0; i < whole; i += lanes) hn::StoreU(hn::Mul(hn::LoadU(d, x + i), by), d, x + i);
  for (int64_t i = whole; i < count; ++i) x[i] *= inverse;
}

// By exp(-|x|), because Highway's Exp is wrong above 104.
template <class D, class V>
HWY_INLINE V silu(D d, V x) {
  const V e = hn::Exp(d, hn::Neg(hn::Abs(x)));
  const V numerator = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Mul(x, e), x);
  return hn::Div(numerator, hn::Add(hn::Set(d, 1.0f), e));
}

void silu_multiply_kernel(float* gate, const float* up, int64_t count) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t whole = count / lanes * lanes;
  for (int64_t i = 0; i < whole; i += lanes)
    hn::StoreU(hn::Mul(silu(d, hn::LoadU(d, gate + i)), hn::LoadU(d, up + i)), d, gate + i);
  if (whole == count) return;
  const auto tail = hn::FirstN(d, static_cast<size_t>(count - whole));
  const auto g = hn::MaskedLoad(tail, d, gate + whole), u = hn::MaskedLoad(tail, d, up + whole);
  hn::BlendedStore(hn::Mul(silu(d, g), u), tail, d, gate + whole);
}

}  // namespace HWY_NAMESPACE
}  // namespace tandem::engine
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tandem::engine {

HWY_EXPORT(widen_f16_kernel);
HWY_EXPORT(widen_bf16_kernel);
HWY_EXPORT(narrow_bf16_kernel);
HWY_EXPORT(rms_norm_kernel);
HWY_EXPORT(softmax_kernel);
HWY_EXPORT(silu_multiply_kernel);

void widen_f16(const uint16_t* x, int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(widen_f16_kernel)(x, count, out);
}

void widen_bf16(const uint16_t* x, int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(widen_bf16_kernel)(x, count, out);
}

void narrow_bf16(const float* x, int64_t count, uint16_t* out) {
  HWY_DYNAMIC_DISPATCH(narrow_bf16_kernel)(x, count, out);
}

void rms_norm_row(const float* x, int64_t count, const float* weight, float eps, float* out) {
  HWY_DYNAMIC_DISPATCH(rms_norm_kernel)(x, count, weight, eps, out);
}

void softmax_row(float* x, int64_t count) { HWY_DYNAMIC_DISPATCH(softmax_kernel)(x, count); }

void silu_multiply(float* gate, const float* up, int64_t count) {
  HWY_DYNAMIC_DISPATCH(silu_multiply_kernel)(gate, up, count);
}

}  // namespace tandem::engine
#endif
