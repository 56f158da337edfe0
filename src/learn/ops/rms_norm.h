// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace tandem::learn {

// y = x / sqrt(mean(x^2) + eps) * weight, over groups of D neighbouring elements.
//
//   x       [P, G D]  float32, bfloat16 or float64; G > 1 norms each head alone
//   weight  [D]       float32 (float64 with x of float64)
//   result  [P, G D]  of type `result`: x's, or bfloat16 from float32
//
// Arithmetic in the weight's type. O(P G D). Differentiable in x and weight; bits do not depend on
// the number of threads. Throws ShapeError.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps,
                    at::ScalarType result);

at::Tensor rms_norm_reference(const at::Tensor& x, const at::Tensor& weight, double eps);

}  // namespace tandem::learn
