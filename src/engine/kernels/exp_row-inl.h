// SPDX-License-Identifier: Apache-2.0
// The part that all softmaxes share, for each of Highway's targets; included after highway.h and
// math-inl.h, inside foreach_target.

#if defined(TANDEM_EXP_ROW_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TANDEM_EXP_ROW_INL_H
#undef TANDEM_EXP_ROW_INL_H
#else
#define TANDEM_EXP_ROW_INL_H
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace tandem::engine {
namespace HWY_NAMESPACE {

// x[i] = exp(x[i] - shift) and the sum of the results. The tail is one partial vector whose missing
// lanes are left out of the sum.
template <class D, class V>
HWY_INLINE float exp_row(D d, float* x, int64_t count, V shift) {
  namespace hn = hwy::HWY_NAMESPACE;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t whole = count / lanes * lanes;
  auto total = hn::Zero(d);
  for (int64_t i = 0; i < whole; i += lanes) {
    const auto e = hn::Exp(d, hn::Sub(hn::LoadU(d, x + i), shift));
    hn::StoreU(e, d, x + i);
    total = hn::Add(total, e);
  }
  if (whole < count) {
    const auto tail = hn::FirstN(d, static_cast<size_t>(count - whole));
    const auto e = hn::Exp(d, hn::Sub(hn::MaskedLoad(tail, d, x + whole), shift));
    hn::BlendedStore(e, tail, d, x + whole);
    total = hn::Add(total, hn::IfThenElseZero(tail, e));
  }
  return hn::GetLane(hn::SumOfLanes(d, total));
}

}  // namespace HWY_NAMESPACE
}  // namespace tandem::engine
HWY_AFTER_NAMESPACE();

#endif
