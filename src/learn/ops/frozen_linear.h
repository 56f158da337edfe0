// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "learn/ops/frozen_weight.h"

namespace tandem::learn {

// y = x W^T + b with a weight that is not trained.
//
//   x [P, I] float32, bfloat16 or float64 -> y [P, O] of the same type
//   bias [O] or undefined
//
// A weight that is stored otherwise is expanded to x's type, forward and again backward, in tiles
// of at most 512 outputs (backward: inputs): each thread expands one, multiplies by it and reuses
// its memory, which ends with the call. No sum is split between tiles. Forms without cheap columns,
// and weights on a GPU, are expanded as a whole for the call. Differentiable in x and bias; keeps
// no activations. Throws ShapeError.
at::Tensor frozen_linear(const at::Tensor& x, const FrozenWeightPtr& weight,
                         const at::Tensor& bias);

}  // namespace tandem::learn
