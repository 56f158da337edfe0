// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/swiglu.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/silu.h>
#include <torch/csrc/autograd/custom_function.h>

#include <bit>
#include <cmath>
#include <cstdint>

#include "core/error.h"
#include "learn/ops/element_types.h"
#include "learn/ops/kernels.h"

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kGrain = 1 << 14;  // elements a thread should get at least

// exp(-|x|), good to 2 ulp, in plain arithmetic that the compiler vectorises: 2^n times a
// polynomial of the rest of x / ln 2. Below exp(-87) it is 0.
inline float exp_of_minus_abs(float x) {
  const float clamped = -std::min(std::fabs(x), 87.0f);
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float shifted = clamped * 1.44269504f + kRound;
  const float n = shifted - kRound;
  const float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
  float poly = 1.9875691500e-4f;
  poly = poly * r + 1.3981999507e-3f;
  poly = poly * r + 8.3334519073e-3f;
  poly = poly * r + 4.1665795894e-2f;
  poly = poly * r + 1.6666665459e-1f;
  poly = poly * r + 5.0000001201e-1f;
  poly = poly * r * r + r + 1.0f;
  const auto exponent = (std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRound)) << 23;
  return std::bit_cast<float>(std::bit_cast<int32_t>(poly) + exponent);
}

inline double exp_of_minus_abs(double x) { return std::exp(-std::fabs(x)); }

template <typename A>
inline A sigmoid(A x) {
  const A e = exp_of_minus_abs(x);
  return (x < 0 ? e : A{1}) / (1 + e);
}

template <typename T, typename A>
void forward_span(const T* __restrict gate, const T* __restrict up, int64_t count,
                  T* __restrict out) {
  for (int64_t i = 0; i < count; ++i) {
    const A g = static_cast<A>(gate[i]);
    out[i] = static_cast<T>(g * sigmoid(g) * static_cast<A>(up[i]));
  }
}

// silu'(x) = s (1 + x (1 - s)) with s = sigmoid(x).
template <typename T, typename A>
void backward_span(const T* __restrict gate, const T* __restrict up, const T* __restrict dy,
                   int64_t count, T* __restrict dgate, T* __restrict dup) {
  for (int64_t i = 0; i < count; ++i) {
    const A g = static_cast<A>(gate[i]), d = static_cast<A>(dy[i]), s = sigmoid(g);
    dgate[i] = static_cast<T>(d * static_cast<A>(up[i]) * s * (1 + g * (1 - s)));
    dup[i] = static_cast<T>(d * g * s);
  }
}

struct Swiglu : torch::autograd::Function<Swiglu> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate,
                            const at::Tensor& up) {
    at::Tensor y = at::empty_like(gate);
    dispatch_element_type("swiglu", gate.scalar_type(), [&](auto* of_element, auto of_arithmetic) {
      using T = std::remove_pointer_t<decltype(of_element)>;
      const T *g = gate.const_data_ptr<T>(), *u = up.const_data_ptr<T>();
      T* out = y.data_ptr<T>();
      at::parallel_for(0, gate.numel(), kGrain, [&](int64_t begin, int64_t end) {
        forward_span<T, decltype(of_arithmetic)>(g + begin, u + begin, end - begin, out + begin);
      });
    });
    context->save_for_backward({gate, up});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor dy = gradients[0].contiguous();
    at::Tensor dgate = at::empty_like(saved[0]), dup = at::empty_like(saved[1]);
    dispatch_element_type("swiglu", dy.scalar_type(), [&](auto* of_element, auto of_arithmetic) {
      using T = std::remove_pointer_t<decltype(of_element)>;
      const T *g = saved[0].const_data_ptr<T>(), *u = saved[1].const_data_ptr<T>();
      const T* d = dy.const_data_ptr<T>();
      T *to_gate = dgate.data_ptr<T>(), *to_up = dup.data_ptr<T>();
      at::parallel_for(0, dy.numel(), kGrain, [&](int64_t begin, int64_t end) {
        backward_span<T, decltype(of_arithmetic)>(g + begin, u + begin, d + begin, end - begin,
                                                  to_gate + begin, to_up + begin);
      });
    });
    return {dgate, dup};
  }
};

}  // namespace

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) {
  if (gate.sizes() != up.sizes() || gate.scalar_type() != up.scalar_type())
    throw ShapeError("swiglu: gate has {} elements, up {}", gate.numel(), up.numel());
  if (!takes_kernel(gate)) {
    const at::ScalarType type = gate.scalar_type();
    const at::ScalarType arithmetic = type == at::kDouble ? at::kDouble : at::kFloat;
    return swiglu_reference(gate.to(arithmetic), up.to(arithmetic)).to(type);
  }
  return Swiglu::apply(gate.contiguous(), up.contiguous());
}

at::Tensor swiglu_reference(const at::Tensor& gate, const at::Tensor& up) {
  return at::silu(gate) * up;
}

}  // namespace tandem::learn
