// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/residual_layer_norm.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "learn/ops/dropout.h"
#include "learn/ops/kernels.h"

namespace tandem::learn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kTilePositions = 64;  // a task's
constexpr int64_t kLanes = 16;          // partial sums, which the compiler keeps in vectors

template <typename Task>
void for_tiles(int64_t positions, const Task& task) {
  at::parallel_for(0, (positions + kTilePositions - 1) / kTilePositions, 2,
                   [&](int64_t first, int64_t last) {
                     for (int64_t tile = first; tile < last; ++tile) {
                       const int64_t begin = tile * kTilePositions;
                       task(tile, begin, std::min(begin + kTilePositions, positions));
                     }
                   });
}

// Sum of term(i), i in 0 .. width - 1.
template <typename Term>
inline float lane_sum(int64_t width, const Term& term) {
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(i + lane);
  }
  for (int64_t lane = 0; i < width; ++i, ++lane) lanes[lane] += term(i);
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

// v of one position into out; null residual or keep as in the header.
void join(const float* __restrict x, const float* __restrict residual,
          const uint8_t* __restrict keep, float factor, int64_t width, float* __restrict out) {
  if (keep != nullptr) {
    for (int64_t i = 0; i < width; ++i) out[i] = x[i] * (factor * static_cast<float>(keep[i]));
  } else {
    std::copy_n(x, width, out);
  }
  if (residual != nullptr) {
    for (int64_t i = 0; i < width; ++i) out[i] += residual[i];
  }
}

// Normalises v in place and returns 1 / sqrt(var + eps).
float normalize(int64_t width, float eps, float* __restrict v) {
  const float scale = 1.0f / static_cast<float>(width);
  const float mean = lane_sum(width, [&](int64_t i) { return v[i]; }) * scale;
  const float square = lane_sum(width, [&](int64_t i) { return (v[i] - mean) * (v[i] - mean); });
  const float inverse = 1.0f / std::sqrt(square * scale + eps);
  for (int64_t i = 0; i < width; ++i) v[i] = (v[i] - mean) * inverse;
  return inverse;
}

// With g = dy weight and n = normal:  dv = (g - mean(g) - n mean(g n)) / sqrt(var + eps).
void normalize_backward(const float* __restrict dy, const float* __restrict weight,
                        const float* __restrict normal, float inverse, int64_t width,
                        float* __restrict dv, float* __restrict dweight, float* __restrict dbias) {
  const float scale = inverse / static_cast<float>(width);
  for (int64_t i = 0; i < width; ++i) {
    dweight[i] += dy[i] * normal[i];
    dbias[i] += dy[i];
    dv[i] = dy[i] * weight[i];
  }
  const float mean = lane_sum(width, [&](int64_t i) { return dv[i]; }) * scale;
  const float slope = lane_sum(width, [&](int64_t i) { return dv[i] * normal[i]; }) * scale;
  for (int64_t i = 0; i < width; ++i) dv[i] = dv[i] * inverse - mean - normal[i] * slope;
}

struct ResidualLayerNorm : torch::autograd::Function<ResidualLayerNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& residual, const at::Tensor& keep, double factor,
                            const at::Tensor& weight, const at::Tensor& bias, double eps) {
    const int64_t positions = x.size(0), width = x.size(1);
    at::Tensor normal = at::empty_like(x), y = at::empty_like(x);
    at::Tensor inverse = at::empty({positions}, x.options());
    const float *in = x.const_data_ptr<float>(), *w = weight.const_data_ptr<float>();
    const float* b = bias.const_data_ptr<float>();
    const float* add = residual.numel() > 0 ? residual.const_data_ptr<float>() : nullptr;
    const uint8_t* kept = keep.numel() > 0 ? keep.const_data_ptr<uint8_t>() : nullptr;
    float *n = normal.data_ptr<float>(), *out = y.data_ptr<float>();
    float* scale = inverse.data_ptr<float>();
    for_tiles(positions, [&](int64_t, int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        const int64_t at = k * width;
        float* __restrict row = n + at;
        join(in + at, add == nullptr ? nullptr : add + at, kept == nullptr ? nullptr : kept + at,
             static_cast<float>(factor), width, row);
        scale[k] = normalize(width, static_cast<float>(eps), row);
        float* __restrict to = out + at;
        for (int64_t i = 0; i < width; ++i) to[i] = row[i] * w[i] + b[i];
      }
    });
    context->save_for_backward({normal, inverse, weight, keep});
    context->saved_data["factor"] = factor;
    context->saved_data["residual"] = residual.numel() > 0;
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &normal = saved[0], &inverse = saved[1], &weight = saved[2], &keep = saved[3];
    const auto factor = static_cast<float>(context->saved_data["factor"].toDouble());
    const int64_t positions = normal.size(0), width = normal.size(1);
    const int64_t tiles = (positions + kTilePositions - 1) / kTilePositions;
    const at::Tensor dy = gradients[0].contiguous();
    at::Tensor dv = at::empty_like(normal);
    at::Tensor dx = keep.numel() > 0 ? at::empty_like(normal) : dv;
    at::Tensor sums = at::zeros({tiles, 2, width}, normal.options());
    const float *grad = dy.const_data_ptr<float>(), *n = normal.const_data_ptr<float>();
    const float *w = weight.const_data_ptr<float>(), *scale = inverse.const_data_ptr<float>();
    const uint8_t* kept = keep.numel() > 0 ? keep.const_data_ptr<uint8_t>() : nullptr;
    float *dv_out = dv.data_ptr<float>(), *dx_out = dx.data_ptr<float>();
    float* sum = sums.data_ptr<float>();
    for_tiles(positions, [&](int64_t tile, int64_t begin, int64_t end) {
      float* dweight = sum + tile * 2 * width;
      for (int64_t k = begin; k < end; ++k) {
        const int64_t at = k * width;
        normalize_backward(grad + at, w, n + at, scale[k], width, dv_out + at, dweight,
                           dweight + width);
        if (kept != nullptr) join(dv_out + at, nullptr, kept + at, factor, width, dx_out + at);
      }
    });
    const at::Tensor total = at::sum(sums, 0);
    return {dx,
            context->saved_data["residual"].toBool() ? dv : at::Tensor(),
            {},
            {},
            total.select(0, 0),
            total.select(0, 1),
            {}};
  }
};

}  // namespace

at::Tensor residual_layer_norm(const at::Tensor& x, const at::Tensor& residual,
                               const at::Tensor& keep, double p, const at::Tensor& weight,
                               const at::Tensor& bias, double eps) {
  const auto fits = [&](const at::Tensor& other) {
    return !other.defined() || other.sizes() == x.sizes();
  };
  if (x.dim() != 2 || !fits(residual) || !fits(keep) || weight.numel() != x.size(1) ||
      bias.numel() != x.size(1)) {
    throw ShapeError(
        "residual_layer_norm: x has {} positions of {}, residual {} elements, mask {}, weight {}, "
        "bias {}",
        x.size(0), x.size(-1), residual.defined() ? residual.numel() : 0,
        keep.defined() ? keep.numel() : 0, weight.numel(), bias.numel());
  }
  if (!takes_kernel(x))
    return residual_layer_norm_reference(x, residual, keep, p, weight, bias, eps);
  // An input of a Function must be defined: an empty tensor stands for none.
  const auto dense = [](const at::Tensor& t, at::ScalarType type) {
    return t.defined() ? t.contiguous() : at::empty({0}, type);
  };
  return ResidualLayerNorm::apply(x.contiguous(), dense(residual, at::kFloat),
                                  dense(keep, at::kByte), 1.0 / (1.0 - p), weight.contiguous(),
                                  bias.contiguous(), eps);
}

at::Tensor residual_layer_norm_reference(const at::Tensor& x, const at::Tensor& residual,
                                         const at::Tensor& keep, double p, const at::Tensor& weight,
                                         const at::Tensor& bias, double eps) {
  at::Tensor v = keep.defined() ? dropout_reference(x, keep, p) : x;
  if (residual.defined()) v = v + residual;
  return at::layer_norm(v, weight.sizes(), weight, bias, eps);
}

}  // namespace tandem::learn
