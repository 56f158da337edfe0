// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/frozen_linear.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "core/error.h"
#include "engine/kernels/gemm.h"
#include "learn/ops/kernels.h"
#include "learn/ops/products.h"

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Outputs (backward: inputs) in one task. With 512 a product is as fast as whole, and an expanded
// tile of Llama 2 7B's widest projection has 11 MB in bfloat16; narrower where there would not be
// two for each thread.
int64_t tile_of(int64_t total) {
  constexpr int64_t kWidest = 512, kNarrowest = 64;
  const int64_t fair = total / (2 * at::get_num_threads());
  return std::clamp(fair / kNarrowest * kNarrowest, kNarrowest, kWidest);
}

// Columns [begin, begin + w's) of y from x and an expanded tile, on the calling thread.
void tile_product(const at::Tensor& x, const at::Tensor& w, bool transposed, int64_t begin,
                  const at::Tensor& y) {
  const int64_t count = transposed ? w.size(0) : w.size(1);
  if (x.scalar_type() != at::kFloat) {
    y.narrow(1, begin, count).copy_(transposed ? product_nt(x, w) : product_nn(x, w));
    return;
  }
  engine::sgemm(false, transposed, x.size(0), count, x.size(1), 1, x.const_data_ptr<float>(),
                x.size(1), w.const_data_ptr<float>(), w.size(1), 0, y.data_ptr<float>() + begin,
                y.size(1));
}

// x W^T (transposed) or x W, [P, total].
at::Tensor frozen_product(const at::Tensor& x, const FrozenWeight& weight, bool transposed) {
  const at::ScalarType type = x.scalar_type();
  if (weight.is_stored_as(type) || !takes_kernel(x) || !(transposed || weight.has_columns())) {
    at::Tensor scratch;
    const at::Tensor whole = weight.rows(0, weight.outputs(), type, scratch);
    return transposed ? product_nt(x, whole) : product_nn(x, whole);
  }
  const int64_t total = transposed ? weight.outputs() : weight.inputs();
  at::Tensor y = at::empty({x.size(0), total}, x.options());
  std::vector<at::Tensor> scratch(at::get_num_threads());
  const int64_t tile = tile_of(total);
  at::parallel_for(0, (total + tile - 1) / tile, 1, [&](int64_t first, int64_t last) {
    const at::NoGradGuard no_grad;  // other threads do not have the caller's mode
    at::Tensor& own = scratch[at::get_thread_num()];
    for (int64_t i = first; i < last; ++i) {
      const int64_t begin = i * tile, count = std::min(tile, total - begin);
      const at::Tensor w = transposed ? weight.rows(begin, count, type, own)
                                      : weight.columns(begin, count, type, own);
      tile_product(x, w, transposed, begin, y);
    }
  });
  return y;
}

struct FrozenLinear : torch::autograd::Function<FrozenLinear> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const FrozenWeightPtr& weight, const std::optional<at::Tensor>& bias) {
    context->saved_data["weight"] = c10::IValue::make_capsule(weight);
    at::Tensor y = frozen_product(x, *weight, true);
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
    if (context->needs_input_grad(0)) dx = frozen_product(dy, *weight, false);
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

}  // namespace tandem::learn
