// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/rotary.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/sin.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/error.h"
#include "learn/ops/kernels.h"

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kGrain = 1 << 14;  // elements a thread should get at least

template <typename T, typename A>
void turn(const T* __restrict x, const A* __restrict cosines, const A* __restrict sines, A sign,
          int64_t half, T* __restrict y) {
  for (int64_t j = 0; j < half; ++j) {
    const A a = static_cast<A>(x[j]), b = static_cast<A>(x[j + half]), s = sign * sines[j];
    y[j] = static_cast<T>(a * cosines[j] - b * s);
    y[j + half] = static_cast<T>(b * cosines[j] + a * s);
  }
}

template <typename T, typename A>
void turn_rows(const at::Tensor& x, const at::Tensor& cosines, const at::Tensor& sines, A sign,
               at::Tensor& y) {
  const int64_t width = x.size(1), half = cosines.size(1), heads = width / (2 * half);
  const T* from = x.const_data_ptr<T>();
  const A *c = cosines.const_data_ptr<A>(), *s = sines.const_data_ptr<A>();
  T* to = y.data_ptr<T>();
  const int64_t grain = std::max<int64_t>(1, kGrain / width);
  at::parallel_for(0, x.size(0), grain, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      for (int64_t head = 0; head < heads; ++head) {
        const int64_t at = p * width + head * 2 * half;
        turn(from + at, c + p * half, s + p * half, sign, half, to + at);
      }
    }
  });
}

at::Tensor rotated(const at::Tensor& x, const at::Tensor& cosines, const at::Tensor& sines,
                   int sign) {
  at::Tensor y = at::empty_like(x);
  if (x.scalar_type() == at::kDouble)
    turn_rows<double, double>(x, cosines, sines, sign, y);
  else if (x.scalar_type() == at::kFloat)
    turn_rows<float, float>(x, cosines, sines, static_cast<float>(sign), y);
  else
    turn_rows<at::BFloat16, float>(x, cosines, sines, static_cast<float>(sign), y);
  return y;
}

struct Rotary : torch::autograd::Function<Rotary> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& cosines, const at::Tensor& sines) {
    context->save_for_backward({cosines, sines});
    return rotated(x, cosines, sines, 1);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    return {rotated(gradients[0].contiguous(), saved[0], saved[1], -1), {}, {}};
  }
};

}  // namespace

RotaryAngles RotaryAngles::rows(const at::Tensor& wanted) const {
  return {cosines.index_select(0, wanted), sines.index_select(0, wanted)};
}

RotaryAngles rotary_angles(const at::Tensor& positions, const at::Tensor& inverse_frequencies,
                           at::ScalarType type) {
  const at::Tensor angles = at::outer(positions.to(at::kDouble), inverse_frequencies);
  return {at::cos(angles).to(type), at::sin(angles).to(type)};
}

at::Tensor rotary(const at::Tensor& x, const RotaryAngles& angles) {
  const at::ScalarType arithmetic = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor &cosines = angles.cosines, &sines = angles.sines;
  if (x.dim() != 2 || cosines.dim() != 2 || cosines.size(0) != x.size(0) ||
      cosines.sizes() != sines.sizes() || cosines.size(1) == 0 ||
      x.size(1) % (2 * cosines.size(1)) != 0 || cosines.scalar_type() != arithmetic) {
    throw ShapeError("rotary: x is [{}, {}], angles [{}, {}]", x.size(0), x.size(-1),
                     cosines.size(0), cosines.size(-1));
  }
  if (!takes_kernel(x)) return rotary_reference(x.to(arithmetic), angles).to(x.scalar_type());
  return Rotary::apply(x.contiguous(), cosines.contiguous(), sines.contiguous());
}

at::Tensor rotary_reference(const at::Tensor& x, const RotaryAngles& angles) {
  const int64_t half = angles.cosines.size(1);
  const at::Tensor heads = x.reshape({x.size(0), -1, 2 * half});
  const at::Tensor a = heads.narrow(2, 0, half), b = heads.narrow(2, half, half);
  const at::Tensor c = angles.cosines.unsqueeze(1), s = angles.sines.unsqueeze(1);
  return at::cat({a * c - b * s, b * c + a * s}, 2).reshape(x.sizes());
}

}  // namespace tandem::learn
