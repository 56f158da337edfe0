// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/lora_linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "core/error.h"
#include "learn/ops/dropout.h"
#include "learn/ops/products.h"

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// dropout(x) in the adapter's type.
at::Tensor adapter_input(const at::Tensor& x, const at::Tensor& keep, double p,
                         at::ScalarType type) {
  const at::Tensor wide = x.to(type);
  return keep.defined() ? dropout(wide, keep, p) : wide;
}

struct LoraLinear : torch::autograd::Function<LoraLinear> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& base, const at::Tensor& x,
                            const at::Tensor& a, const at::Tensor& b,
                            const std::optional<at::Tensor>& mask, double p, double scale) {
    const at::Tensor keep = mask.value_or(at::Tensor());
    const at::Tensor h = product_nt(adapter_input(x, keep, p, a.scalar_type()), a);  // [P, r]
    context->save_for_backward({x, a, b, keep, h});
    context->saved_data["p"] = p;
    context->saved_data["scale"] = scale;
    at::Tensor added = product_nt(h, b).mul_(scale);  // [P, O]
    if (base.scalar_type() == added.scalar_type()) return added.add_(base);
    return added.add_(base).to(base.scalar_type());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &a = saved[1], &b = saved[2], &keep = saved[3], &h = saved[4];
    const double p = context->saved_data["p"].toDouble();
    const at::Tensor& dy = gradients[0];
    const at::Tensor scaled =
        dy.to(a.scalar_type()).mul(context->saved_data["scale"].toDouble());  // [P, O]
    const at::Tensor dh = product_nn(scaled, b);                              // [P, r]
    at::Tensor dx, da, db;
    if (context->needs_input_grad(1)) {
      dx = product_nn(dh, a);
      if (keep.defined()) dx = dropout(dx, keep, p);
      dx = dx.to(x.scalar_type());
    }
    if (context->needs_input_grad(2)) {
      da = product_tn(dh, adapter_input(x, keep, p, a.scalar_type()));
    }
    if (context->needs_input_grad(3)) db = product_tn(scaled, h);
    return {dy, dx, da, db, {}, {}, {}};
  }
};

}  // namespace

at::Tensor lora_linear(const at::Tensor& base, const at::Tensor& x, const at::Tensor& a,
                       const at::Tensor& b, const at::Tensor& keep, double p, double scale) {
  if (base.dim() != 2 || x.dim() != 2 || a.dim() != 2 || b.dim() != 2 ||
      x.size(0) != base.size(0) || a.size(1) != x.size(1) || b.size(0) != base.size(1) ||
      a.size(0) != b.size(1)) {
    throw ShapeError("lora_linear: base [{}, {}], x [{}, {}], a [{}, {}], b [{}, {}]", base.size(0),
                     base.size(-1), x.size(0), x.size(-1), a.size(0), a.size(-1), b.size(0),
                     b.size(-1));
  }
  return LoraLinear::apply(base, x.contiguous(), a, b, std::optional<at::Tensor>(keep), p, scale);
}

at::Tensor lora_linear_reference(const at::Tensor& base, const at::Tensor& x, const at::Tensor& a,
                                 const at::Tensor& b, const at::Tensor& keep, double p,
                                 double scale) {
  const at::Tensor input = keep.defined() ? dropout_reference(x, keep, p) : x;
  return base + scale * at::matmul(at::matmul(input, a.t()), b.t());
}

}  // namespace tandem::learn
