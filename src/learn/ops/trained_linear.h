// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace tandem::learn {

// y = x W^T + b with a float32 master weight (float64 with x of float64).
//
//   x [P, I] float32, bfloat16 or float64 -> y [P, O] of the same type
//   weight [O, I], bias [O] or undefined
//
// With x of bfloat16 the weight is rounded for the product, its gradient is float32 again.
// Differentiable in all three. Throws ShapeError.
at::Tensor trained_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace tandem::learn
