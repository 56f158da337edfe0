// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/linear.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "engine/kernels/gemm.h"
#include "learn/ops/kernels.h"
#include "learn/ops/products.h"

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kTilePositions = 128;  // rows of y or dx a task makes
constexpr int64_t kTileOutputs = 32;     // rows of dweight a task makes

// task(begin, size) for each tile of [0, count), on libtorch's threads.
template <typename Task>
void for_tiles(int64_t count, int64_t tile, const Task& task) {
  at::parallel_for(0, (count + tile - 1) / tile, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) task(i * tile, std::min(tile, count - i * tile));
  });
}

// sum[c] = x[0, c] + x[1, c] + ..., rows of x `stride` apart; columns <= kTileOutputs.
void sum_columns(const float* x, int64_t rows, int64_t columns, int64_t stride, float* sum) {
  float total[kTileOutputs] = {};
  for (int64_t r = 0; r < rows; ++r, x += stride) {
    for (int64_t c = 0; c < columns; ++c) total[c] += x[c];
  }
  std::copy_n(total, columns, sum);
}

// Float32 with a bias on the CPU, where tiles of positions write the bias first.
struct TiledLinear : torch::autograd::Function<TiledLinear> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias) {
    const int64_t positions = x.size(0), inputs = x.size(1), outputs = weight.size(0);
    const at::Tensor shift = bias.contiguous();
    at::Tensor y = at::empty({positions, outputs}, x.options());
    const float *in = x.const_data_ptr<float>(), *w = weight.const_data_ptr<float>();
    const float* b = shift.const_data_ptr<float>();
    float* out = y.data_ptr<float>();
    for_tiles(positions, kTilePositions, [&](int64_t begin, int64_t size) {
      for (int64_t p = begin; p < begin + size; ++p) std::copy_n(b, outputs, out + p * outputs);
      engine::sgemm(false, true, size, outputs, inputs, 1.0f, in + begin * inputs, inputs, w,
                    inputs, 1.0f, out + begin * outputs, outputs);
    });
    context->save_for_backward({x, weight});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const int64_t positions = x.size(0), inputs = x.size(1), outputs = weight.size(0);
    const at::Tensor dy = gradients[0].contiguous();
    at::Tensor dx = at::empty(x.sizes(), x.options());
    at::Tensor dweight = at::empty(weight.sizes(), x.options());
    at::Tensor dbias = at::empty({outputs}, x.options());
    const float *in = x.const_data_ptr<float>(), *w = weight.const_data_ptr<float>();
    const float* g = dy.const_data_ptr<float>();
    float *dx_out = dx.data_ptr<float>(), *dw_out = dweight.data_ptr<float>();
    float* db_out = dbias.data_ptr<float>();
    for_tiles(positions, kTilePositions, [&](int64_t begin, int64_t size) {
      engine::sgemm(false, false, size, inputs, outputs, 1.0f, g + begin * outputs, outputs, w,
                    inputs, 0.0f, dx_out + begin * inputs, inputs);
    });
    for_tiles(outputs, kTileOutputs, [&](int64_t begin, int64_t size) {
      engine::sgemm(true, false, size, inputs, positions, 1.0f, g + begin, outputs, in, inputs,
                    0.0f, dw_out + begin * inputs, inputs);
      sum_columns(g + begin, positions, size, outputs, db_out + begin);
    });
    return {dx, dweight, dbias};
  }
};

// Any type and device, a bias or none.
struct ProductLinear : torch::autograd::Function<ProductLinear> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias) {
    context->save_for_backward({x, weight});
    context->saved_data["bias"] = bias.has_value();
    at::Tensor y = product_nt(x, weight.to(x.scalar_type()));
    if (bias) y.add_(*bias);
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

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (x.dim() != 2 || weight.dim() != 2 || x.size(1) != weight.size(1) ||
      (bias.defined() && (bias.dim() != 1 || bias.size(0) != weight.size(0)))) {
    throw ShapeError("linear: x has {} positions of {}, weight {} rows of {}, bias {}", x.size(0),
                     x.size(-1), weight.size(0), weight.size(-1),
                     bias.defined() ? bias.numel() : 0);
  }
  if (bias.defined() && x.scalar_type() == at::kFloat && takes_kernel(x))
    return TiledLinear::apply(x.contiguous(), weight.contiguous(), bias);
  return ProductLinear::apply(x.contiguous(), weight,
                              bias.defined() ? std::optional(bias) : std::nullopt);
}

}  // namespace tandem::learn
