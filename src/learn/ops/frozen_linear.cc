// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/frozen_linear.h"

#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "core/error.h"
#include "learn/ops/products.h"

namespace tandem {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor& scratch() {
  thread_local at::Tensor tensor;
  return tensor;
}

at::Tensor whole(const FrozenWeight& weight, at::ScalarType type) {
  return weight.rows(0, weight.outputs(), type, scratch());
}

struct FrozenLinear : torch::autograd::Function<FrozenLinear> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const FrozenWeightPtr& weight, const std::optional<at::Tensor>& bias) {
    context->saved_data["weight"] = c10::IValue::make_capsule(weight);
    at::Tensor y = product_nt(x, whole(*weight, x.scalar_type()));
    const bool is_shifted = bias && bias->defined();
    if (is_shifted) y.add_(*bias);
    context->saved_data["is_shifted"] = is_shifted;
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const at::Tensor dy = gradients[0].contiguous();
    const auto weight =
        c10::static_intrusive_pointer_cast<FrozenWeight>(context->saved_data["weight"].toCapsule());
    at::Tensor dx, dbias;
    if (context->needs_input_grad(0)) dx = product_nn(dy, whole(*weight, dy.scalar_type()));
    if (context->saved_data["is_shifted"].toBool() && context->needs_input_grad(1))
      dbias = dy.sum(0, false, at::promote_types(at::kFloat, dy.scalar_type()));
    return {dx, {}, dbias};
  }
};

}  // namespace

at::Tensor frozen_linear(const at::Tensor& x, const FrozenWeightPtr& weight,
                         const at::Tensor& bias) {
  if (x.dim() != 2 || x.size(1) != weight->inputs() ||
      (bias.defined() && bias.numel() != weight->outputs())) {
    throw ShapeError("frozen_linear: x has {} positions of {}, weight {} rows of {}, bias {}",
                     x.size(0), x.size(-1), weight->outputs(), weight->inputs(),
                     bias.defined() ? bias.numel() : 0);
  }
  return FrozenLinear::apply(x.contiguous(), weight, std::optional<at::Tensor>(bias));
}

void release_frozen_linear_scratch() { scratch().reset(); }

}  // namespace tandem
