// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/rms_norm.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "learn/ops/kernels.h"
#include "learn/ops/lane_sum.h"

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kGrain = 1 << 14;  // elements a thread should get at least
constexpr int64_t kPartials = 16;    // partial sums of dweight, by shape alone

template <typename X, typename A>
A inverse_rms(const X* x, int64_t width, A eps) {
  const A squares = lane_sum<A>(width, [x](int64_t i) {
    const A value = static_cast<A>(x[i]);
    return value * value;
  });
  return 1 / std::sqrt(squares / static_cast<A>(width) + eps);
}

template <typename X, typename Y, typename A>
void forward_rows(const X* x, const A* weight, A eps, int64_t rows, int64_t width, Y* y) {
  at::parallel_for(0, rows, std::max<int64_t>(1, kGrain / width), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const X* __restrict in = x + r * width;
      const A* __restrict w = weight;
      Y* __restrict out = y + r * width;
      const A inverse = inverse_rms<X, A>(in, width, eps);
      for (int64_t i = 0; i < width; ++i)
        out[i] = static_cast<Y>(static_cast<A>(in[i]) * inverse * w[i]);
    }
  });
}

// With n = x * inverse:  dx = inverse (w dy - n mean(w dy n)),  dweight = sum over rows of dy n.
template <typename X, typename Y, typename A>
void backward_rows(const X* x, const A* weight, const Y* dy, A eps, int64_t begin, int64_t end,
                   int64_t width, X* dx, A* dweight) {
  const A* __restrict w = weight;
  for (int64_t r = begin; r < end; ++r) {
    const X* __restrict in = x + r * width;
    const Y* __restrict g = dy + r * width;
    const A inverse = inverse_rms<X, A>(in, width, eps);
    if (dx) {
      const A dot = lane_sum<A>(
          width, [&](int64_t i) { return static_cast<A>(g[i]) * w[i] * static_cast<A>(in[i]); });
      const A along = dot * inverse * inverse / static_cast<A>(width);
      X* __restrict out = dx + r * width;
      for (int64_t i = 0; i < width; ++i) {
        out[i] =
            static_cast<X>(inverse * (static_cast<A>(g[i]) * w[i] - static_cast<A>(in[i]) * along));
      }
    }
    if (dweight) {
      A* __restrict sums = dweight;
      for (int64_t i = 0; i < width; ++i)
        sums[i] += static_cast<A>(g[i]) * static_cast<A>(in[i]) * inverse;
    }
  }
}

// Calls f with null pointers of the types of x, result and arithmetic.
template <typename F>
void dispatch(at::ScalarType x, at::ScalarType y, const F& f) {
  using Half = at::BFloat16;
  if (x == at::kDouble && y == at::kDouble)
    f((double*)nullptr, (double*)nullptr, double{});
  else if (x == at::kFloat && y == at::kFloat)
    f((float*)nullptr, (float*)nullptr, float{});
  else if (x == at::kFloat && y == at::kBFloat16)
    f((float*)nullptr, (Half*)nullptr, float{});
  else if (x == at::kBFloat16 && y == at::kBFloat16)
    f((Half*)nullptr, (Half*)nullptr, float{});
  else
    throw ShapeError("rms_norm: {} from {}", c10::toString(y), c10::toString(x));
}

struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            double eps, at::ScalarType result) {
    const at::Tensor w = weight.contiguous();
    const int64_t width = w.numel(), rows = x.numel() / width;
    at::Tensor y = at::empty(x.sizes(), x.options().dtype(result));
    dispatch(x.scalar_type(), result, [&](auto* of_x, auto* of_y, auto of_arithmetic) {
      using X = std::remove_pointer_t<decltype(of_x)>;
      using Y = std::remove_pointer_t<decltype(of_y)>;
      using A = decltype(of_arithmetic);
      forward_rows<X, Y, A>(x.const_data_ptr<X>(), w.const_data_ptr<A>(), static_cast<A>(eps), rows,
                            width, y.data_ptr<Y>());
    });
    context->save_for_backward({x, w});
    context->saved_data["eps"] = eps;
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const double eps = context->saved_data["eps"].toDouble();
    const at::Tensor dy = gradients[0].contiguous();
    const int64_t width = weight.numel(), rows = x.numel() / width;
    at::Tensor dx, partials;
    if (context->needs_input_grad(0)) dx = at::empty_like(x);
    if (context->needs_input_grad(1)) partials = at::zeros({kPartials, width}, weight.options());
    const int64_t share = (rows + kPartials - 1) / kPartials;
    dispatch(x.scalar_type(), dy.scalar_type(), [&](auto* of_x, auto* of_y, auto of_arithmetic) {
      using X = std::remove_pointer_t<decltype(of_x)>;
      using Y = std::remove_pointer_t<decltype(of_y)>;
      using A = decltype(of_arithmetic);
      const X* in = x.const_data_ptr<X>();
      const A* w = weight.const_data_ptr<A>();
      const Y* g = dy.const_data_ptr<Y>();
      X* to = dx.defined() ? dx.data_ptr<X>() : nullptr;
      A* sums = partials.defined() ? partials.data_ptr<A>() : nullptr;
      at::parallel_for(0, kPartials, 1, [&](int64_t first, int64_t last) {
        for (int64_t part = first; part < last; ++part) {
          backward_rows<X, Y, A>(in, w, g, static_cast<A>(eps), std::min(rows, part * share),
                                 std::min(rows, (part + 1) * share), width, to,
                                 sums ? sums + part * width : nullptr);
        }
      });
    });
    return {dx, partials.defined() ? partials.sum(0) : at::Tensor(), {}, {}};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps,
                    at::ScalarType result) {
  const at::ScalarType arithmetic = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  if (x.dim() != 2 || weight.dim() != 1 || weight.numel() == 0 || x.size(1) % weight.numel() != 0 ||
      weight.scalar_type() != arithmetic) {
    throw ShapeError("rms_norm: x has {} columns, weight {} of {}", x.size(-1), weight.numel(),
                     c10::toString(weight.scalar_type()));
  }
  if (!takes_kernel(x)) return rms_norm_reference(x.to(arithmetic), weight, eps).to(result);
  return RmsNorm::apply(x.contiguous(), weight, eps, result);
}

at::Tensor rms_norm_reference(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor groups = x.reshape({x.size(0), -1, weight.size(0)});
  const at::Tensor inverse = at::rsqrt(groups.pow(2).mean(-1, true) + eps);
  return (groups * inverse * weight).reshape(x.sizes());
}

}  // namespace tandem::learn
