// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "learn/ops/frozen_weight.h"

namespace tandem {

// y = x W^T + b with a weight that is not trained.
//
//   x [P, I] float32, bfloat16 or float64 -> y [P, O] of the same type
//   bias [O] or undefined
//
// The weight is expanded to x's type where it is stored otherwise, forward and again backward; at
// most one expansion a thread exists. Differentiable in x and bias; keeps no activations. Throws
// ShapeError.
at::Tensor frozen_linear(const at::Tensor& x, const FrozenWeightPtr& weight,
                         const at::Tensor& bias);

// Frees the calling thread's expansion.
void release_frozen_linear_scratch();

}  // namespace tandem
