// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/trained_linear.h"

#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "core/error.h"
#include "learn/ops/products.h"

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct TrainedLinear : torch::autograd::Function<TrainedLinear> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias) {
    context->save_for_backward({x, weight});
    context->saved_data["bias"] = bias && bias->defined();
    at::Tensor y = product_nt(x, weight.to(x.scalar_type()));
    if (bias && bias->defined()) y.add_(*bias);
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const at::Tensor dy = gradients[0].contiguous();
    at::Tensor dx, dweight, dbias;
    if (context->needs_input_grad(0)) dx = product_nn(dy, weight.to(dy.scalar_type()));
    if (context->needs_input_grad(1)) dweight = product_tn(dy, x).to(weight.scalar_type());
    // Only a tensor that was given counts as an input.
    if (context->saved_data["bias"].toBool() && context->needs_input_grad(2))
      dbias = dy.sum(0, false, weight.scalar_type());
    return {dx, dweight, dbias};
  }
};

}  // namespace

at::Tensor trained_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (x.dim() != 2 || weight.dim() != 2 || x.size(1) != weight.size(1) ||
      (bias.defined() && bias.numel() != weight.size(0))) {
    throw ShapeError("trained_linear: x has {} positions of {}, weight {} rows of {}, bias {}",
                     x.size(0), x.size(-1), weight.size(0), weight.size(-1),
                     bias.defined() ? bias.numel() : 0);
  }
  return TrainedLinear::apply(x.contiguous(), weight, std::optional<at::Tensor>(bias));
}

}  // namespace tandem::learn
