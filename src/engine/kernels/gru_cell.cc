// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/gru_cell.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/gru_cell.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// Not above: it must be included once for every target.
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace tandem::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D, class V>
HWY_INLINE V sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, hn::Exp(d, hn::Neg(x))));
}

// One vector of channels; pointers at the first channel of each gate.
template <class D>
HWY_INLINE void step(D d, const float* const (&u)[3], const float* const (&w)[3], const float* h,
                     float* next, float* const (&gates)[3]) {
  const auto r = sigmoid(d, hn::Add(hn::LoadU(d, u[0]), hn::LoadU(d, w[0])));
  const auto z = sigmoid(d, hn::Add(hn::LoadU(d, u[1]), hn::LoadU(d, w[1])));
  const auto n = hn::Tanh(d, hn::MulAdd(r, hn::LoadU(d, w[2]), hn::LoadU(d, u[2])));
  hn::StoreU(hn::MulAdd(z, hn::Sub(hn::LoadU(d, h), n), n), d, next);
  hn::StoreU(r, d, gates[0]);
  hn::StoreU(z, d, gates[1]);
  hn::StoreU(n, d, gates[2]);
}

constexpr int64_t kMaxLanes = HWY_MAX_BYTES / sizeof(float);

void gru_cell_all(const float* u, const float* w, const float* h, int64_t width, float* next,
                  float* gates) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  HWY_ALIGN float unwanted[3][kMaxLanes];
  int64_t c = 0;
  for (; c + lanes <= width; c += lanes) {
    float* const to[3] = {gates ? gates + c : unwanted[0], gates ? gates + width + c : unwanted[1],
                          gates ? gates + 2 * width + c : unwanted[2]};
    step(d, {u + c, u + width + c, u + 2 * width + c}, {w + c, w + width + c, w + 2 * width + c},
         h + c, next + c, to);
  }
  if (c == width) return;
  HWY_ALIGN float from[7][kMaxLanes] = {};
  HWY_ALIGN float result[kMaxLanes];
  const int64_t rest = width - c;
  for (int64_t gate = 0; gate < 3; ++gate) {
    std::copy_n(u + gate * width + c, rest, from[gate]);
    std::copy_n(w + gate * width + c, rest, from[3 + gate]);
  }
  std::copy_n(h + c, rest, from[6]);
  step(d, {from[0], from[1], from[2]}, {from[3], from[4], from[5]}, from[6], result,
       {unwanted[0], unwanted[1], unwanted[2]});
  std::copy_n(result, rest, next + c);
  for (int64_t gate = 0; gate < 3 && gates; ++gate)
    std::copy_n(unwanted[gate], rest, gates + gate * width + c);
}

}  // namespace tandem::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tandem::engine {

HWY_EXPORT(gru_cell_all);

void gru_cell(const float* u, const float* w, const float* h, int64_t width, float* next,
              float* gates) {
  HWY_DYNAMIC_DISPATCH(gru_cell_all)(u, w, h, width, next, gates);
}

void gru_cell_backward(const float* __restrict gates, const float* __restrict w_n,
                       const float* __restrict h, int64_t width, float* __restrict dh,
                       float* __restrict du, float* __restrict dw) {
  const float* __restrict r = gates, * __restrict z = gates + width, * __restrict n = z + width;
  float* __restrict du_z = du + width, * __restrict du_n = du_z + width;
  for (int64_t c = 0; c < width; ++c) {
    const float state = h == nullptr ? 0.0f : h[c];
    const float dn = dh[c] * (1 - z[c]) * (1 - n[c] * n[c]);
    du[c] = dn * w_n[c] * r[c] * (1 - r[c]);
    du_z[c] = dh[c] * (state - n[c]) * z[c] * (1 - z[c]);
    du_n[c] = dn;
    dh[c] *= z[c];
  }
  std::copy_n(du, 2 * width, dw);
  for (int64_t c = 0; c < width; ++c) dw[2 * width + c] = du_n[c] * r[c];
}

}  // namespace tandem::engine
#endif  // HWY_ONCE
