// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace tandem::learn {

// What stands between two sublayers of a post-norm Transformer or LRU block, in one visit of memory
// each way:
//
//     v = keep * x / (1 - p) + residual
//     y = (v - mean(v)) / sqrt(var(v) + eps) * weight + bias      mean and var over D, biased
//
//   x, residual   [P, D] float32; residual undefined: zero
//   keep          [P, D] u8, 0 or 1; undefined: no dropout, p must be 0
//   weight, bias  [D]
//
// Differentiable in x, residual, weight, bias. Sums over positions have an order fixed by P, so the
// bits do not depend on the number of threads. Throws ShapeError.
at::Tensor residual_layer_norm(const at::Tensor& x, const at::Tensor& residual,
                               const at::Tensor& keep, double p, const at::Tensor& weight,
                               const at::Tensor& bias, double eps);

// The slow twin, in ATen: for the tests, and what other devices than the CPU run.
at::Tensor residual_layer_norm_reference(const at::Tensor& x, const at::Tensor& residual,
                                         const at::Tensor& keep, double p, const at::Tensor& weight,
                                         const at::Tensor& bias, double eps);

}  // namespace tandem::learn
