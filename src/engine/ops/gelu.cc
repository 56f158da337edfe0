// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/gelu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/ops/gelu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// Not above: it must be included once for every target.
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace tandem::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Phi(x) through erfc (Abramowitz and Stegun, 7.1.26): with z = |x| / sqrt(2) and t = 1 / (1 + p
// z),
//     erfc(z) = t (a1 + t (a2 + t (a3 + t (a4 + t a5)))) exp(-z^2) + e,   |e| < 1.5e-7
template <class D, class V>
HWY_INLINE V gelu_vector(D d, V x) {
  const V z = hn::Mul(hn::Abs(x), hn::Set(d, 0.70710678118f));
  const V t = hn::Div(hn::Set(d, 1.0f), hn::MulAdd(hn::Set(d, 0.3275911f), z, hn::Set(d, 1.0f)));
  V sum = hn::MulAdd(t, hn::Set(d, 1.061405429f), hn::Set(d, -1.453152027f));
  sum = hn::MulAdd(t, sum, hn::Set(d, 1.421413741f));
  sum = hn::MulAdd(t, sum, hn::Set(d, -0.284496736f));
  sum = hn::MulAdd(t, sum, hn::Set(d, 0.254829592f));
  const V half_erfc =
      hn::Mul(hn::Mul(hn::Mul(sum, t), hn::Set(d, 0.5f)), hn::Exp(d, hn::Neg(hn::Mul(z, z))));
  const V phi =
      hn::IfThenElse(hn::Lt(x, hn::Zero(d)), half_erfc, hn::Sub(hn::Set(d, 1.0f), half_erfc));
  return hn::Mul(x, phi);
}

void gelu_all(float* x, int64_t count) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(gelu_vector(d, hn::LoadU(d, x + i)), d, x + i);
  if (i == count) return;
  HWY_ALIGN float rest[HWY_MAX_BYTES / sizeof(float)] = {};
  for (int64_t j = i; j < count; ++j) rest[j - i] = x[j];
  hn::Store(gelu_vector(d, hn::Load(d, rest)), d, rest);
  for (int64_t j = i; j < count; ++j) x[j] = rest[j - i];
}

}  // namespace tandem::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tandem {

HWY_EXPORT(gelu_all);

void gelu(float* x, int64_t count) { HWY_DYNAMIC_DISPATCH(gelu_all)(x, count); }

}  // namespace tandem
#endif  // HWY_ONCE
