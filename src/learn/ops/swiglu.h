// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace tandem::learn {

// silu(gate) * up, silu(x) = x / (1 + exp(-x)): the gated unit of Llama's MLP (Shazeer, "GLU
// Variants Improve Transformer").
//
//   gate, up, result  one shape; float32, bfloat16 (arithmetic in float32) or float64
//
// One pass over memory each way. Differentiable in both. Throws ShapeError.
at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);

at::Tensor swiglu_reference(const at::Tensor& gate, const at::Tensor& up);

}  // namespace tandem::learn
