// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/gelu_dropout.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/error.h"
#include "engine/kernels/gelu.h"
#include "learn/ops/dropout.h"
#include "learn/ops/kernels.h"

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kGrain = 1 << 14;  // elements a thread should get at least

struct GeluDropout : torch::autograd::Function<GeluDropout> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& keep,
                            double scale) {
    at::Tensor y = at::empty_like(x);
    const float* in = x.const_data_ptr<float>();
    const uint8_t* kept = keep.numel() > 0 ? keep.const_data_ptr<uint8_t>() : nullptr;
    float* out = y.data_ptr<float>();
    at::parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) {
      if (kept != nullptr) {
        engine::gelu_dropout(in + begin, kept + begin, static_cast<float>(scale), end - begin,
                             out + begin);
      } else {
        std::copy(in + begin, in + end, out + begin);
        engine::gelu(out + begin, end - begin);
      }
    });
    context->save_for_backward({x, keep});
    context->saved_data["scale"] = scale;
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &keep = saved[1];
    const auto scale = static_cast<float>(context->saved_data["scale"].toDouble());
    const at::Tensor dy = gradients[0].contiguous();
    at::Tensor dx = at::empty_like(x);
    const float *in = x.const_data_ptr<float>(), *grad = dy.const_data_ptr<float>();
    const uint8_t* kept = keep.numel() > 0 ? keep.const_data_ptr<uint8_t>() : nullptr;
    float* out = dx.data_ptr<float>();
    at::parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) {
      engine::gelu_dropout_backward(in + begin, kept == nullptr ? nullptr : kept + begin, scale,
                                    grad + begin, end - begin, out + begin);
    });
    return {dx, {}, {}};
  }
};

}  // namespace

at::Tensor gelu_dropout(const at::Tensor& x, const at::Tensor& keep, double p) {
  if (keep.defined() && (x.numel() != keep.numel() || keep.scalar_type() != at::kByte)) {
    throw ShapeError("gelu_dropout: x has {} elements, the mask {}", x.numel(), keep.numel());
  }
  if (!takes_kernel(x)) return gelu_dropout_reference(x, keep, p);
  // An input of a Function must be defined: an empty mask stands for none.
  const at::Tensor mask = keep.defined() ? keep.contiguous() : at::empty({0}, at::kByte);
  return GeluDropout::apply(x.contiguous(), mask, 1.0 / (1.0 - p));
}

at::Tensor gelu_dropout_reference(const at::Tensor& x, const at::Tensor& keep, double p) {
  const at::Tensor y = at::gelu(x);
  return keep.defined() ? dropout_reference(y, keep, p) : y;
}

}  // namespace tandem::learn
