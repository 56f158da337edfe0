// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/gelu.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/gelu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// Not above: it must be included once for every target.
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace tandem::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class V>
struct Normal {
  V cumulative, bell;  // Phi(x), exp(-x^2 / 2)
};

// Phi(x) through erfc (Abramowitz and Stegun, 7.1.26): with z = |x| / sqrt(2) and t = 1 / (1 + p
// z),
//     erfc(z) = t (a1 + t (a2 + t (a3 + t (a4 + t a5)))) exp(-z^2) + e,   |e| < 1.5e-7
template <class D, class V>
HWY_INLINE Normal<V> normal(D d, V x) {
  const V z = hn::Mul(hn::Abs(x), hn::Set(d, 0.70710678118f));
  const V t = hn::Div(hn::Set(d, 1.0f), hn::MulAdd(hn::Set(d, 0.3275911f), z, hn::Set(d, 1.0f)));
  V sum = hn::MulAdd(t, hn::Set(d, 1.061405429f), hn::Set(d, -1.453152027f));
  sum = hn::MulAdd(t, sum, hn::Set(d, 1.421413741f));
  sum = hn::MulAdd(t, sum, hn::Set(d, -0.284496736f));
  sum = hn::MulAdd(t, sum, hn::Set(d, 0.254829592f));
  const V bell = hn::Exp(d, hn::Neg(hn::Mul(z, z)));
  const V half_erfc = hn::Mul(hn::Mul(hn::Mul(sum, t), hn::Set(d, 0.5f)), bell);
  return {hn::IfThenElse(hn::Lt(x, hn::Zero(d)), half_erfc, hn::Sub(hn::Set(d, 1.0f), half_erfc)),
          bell};
}

template <class D, class V>
HWY_INLINE V gelu_vector(D d, V x) {
  return hn::Mul(x, normal(d, x).cumulative);
}

template <class D, class V>
HWY_INLINE V gelu_slope(D d, V x) {
  const Normal<V> at = normal(d, x);
  return hn::MulAdd(hn::Mul(x, hn::Set(d, 0.39894228040f)), at.bell, at.cumulative);
}

// factor where kept, 0 elsewhere.
template <class D>
HWY_INLINE hn::Vec<D> mask_vector(D d, const uint8_t* keep, hn::Vec<D> factor) {
  const hn::Rebind<uint8_t, D> bytes;
  const hn::RebindToSigned<D> integers;
  return hn::Mul(hn::ConvertTo(d, hn::PromoteTo(integers, hn::LoadU(bytes, keep))), factor);
}

// Calls block(offset) for every whole vector of `count` floats and rest(offset, n) for the last n.
template <class D, class Block, class Rest>
HWY_INLINE void for_vectors(D d, int64_t count, const Block& block, const Rest& rest) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) block(i);
  if (i < count) rest(i, count - i);
}

constexpr int64_t kMaxLanes = HWY_MAX_BYTES / sizeof(float);

void gelu_all(float* x, int64_t count) {
  const hn::ScalableTag<float> d;
  for_vectors(
      d, count, [&](int64_t i) { hn::StoreU(gelu_vector(d, hn::LoadU(d, x + i)), d, x + i); },
      [&](int64_t i, int64_t n) {
        HWY_ALIGN float part[kMaxLanes] = {};
        std::copy_n(x + i, n, part);
        hn::Store(gelu_vector(d, hn::Load(d, part)), d, part);
        std::copy_n(part, n, x + i);
      });
}

void gelu_dropout_all(const float* x, const uint8_t* keep, float factor, int64_t count, float* y) {
  const hn::ScalableTag<float> d;
  const auto by = hn::Set(d, factor);
  const auto block = [&](const float* in, const uint8_t* kept, float* out) {
    hn::StoreU(hn::Mul(mask_vector(d, kept, by), gelu_vector(d, hn::LoadU(d, in))), d, out);
  };
  for_vectors(
      d, count, [&](int64_t i) { block(x + i, keep + i, y + i); },
      [&](int64_t i, int64_t n) {
        float part[kMaxLanes] = {};
        uint8_t kept[kMaxLanes] = {};
        std::copy_n(x + i, n, part);
        std::copy_n(keep + i, n, kept);
        block(part, kept, part);
        std::copy_n(part, n, y + i);
      });
}

void gelu_dropout_backward_all(const float* x, const uint8_t* keep, float factor, const float* dy,
                               int64_t count, float* dx) {
  const hn::ScalableTag<float> d;
  const auto by = hn::Set(d, factor);
  const auto block = [&](const float* in, const uint8_t* kept, const float* grad, float* out) {
    const auto mask = kept == nullptr ? by : mask_vector(d, kept, by);
    hn::StoreU(hn::Mul(hn::Mul(mask, hn::LoadU(d, grad)), gelu_slope(d, hn::LoadU(d, in))), d, out);
  };
  for_vectors(
      d, count,
      [&](int64_t i) { block(x + i, keep == nullptr ? nullptr : keep + i, dy + i, dx + i); },
      [&](int64_t i, int64_t n) {
        float part[kMaxLanes] = {}, grad[kMaxLanes] = {};
        uint8_t kept[kMaxLanes] = {};
        std::copy_n(x + i, n, part);
        std::copy_n(dy + i, n, grad);
        if (keep != nullptr) std::copy_n(keep + i, n, kept);
        block(part, keep == nullptr ? nullptr : kept, grad, part);
        std::copy_n(part, n, dx + i);
      });
}

}  // namespace tandem::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tandem::engine {

HWY_EXPORT(gelu_all);
HWY_EXPORT(gelu_dropout_all);
HWY_EXPORT(gelu_dropout_backward_all);

void gelu(float* x, int64_t count) { HWY_DYNAMIC_DISPATCH(gelu_all)(x, count); }

void gelu_dropout(const float* x, const uint8_t* keep, float factor, int64_t count, float* y) {
  HWY_DYNAMIC_DISPATCH(gelu_dropout_all)(x, keep, factor, count, y);
}

void gelu_dropout_backward(const float* x, const uint8_t* keep, float factor, const float* dy,
                           int64_t count, float* dx) {
  HWY_DYNAMIC_DISPATCH(gelu_dropout_backward_all)(x, keep, factor, dy, count, dx);
}

}  // namespace tandem::engine
#endif  // HWY_ONCE
