// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace tandem::learn {

// A frozen projection's result with its adapter's added:  base + scale * dropout(x) A^T B^T
//
//   base [P, O], x [P, I]   float32, bfloat16 or float64
//   a [r, I], b [O, r]      float32 (float64 with x of float64)
//   keep                    u8 [P, I], 1 where the input is kept and divided by 1 - p; undefined:
//                           no
//                           dropout
//   result                  [P, O] in base's type
//
// The adapter's arithmetic is float32, also on bfloat16 inputs. Keeps x, which the other
// projections of the same input share, and the mask. Differentiable in base, x, a and b. Throws
// ShapeError.
at::Tensor lora_linear(const at::Tensor& base, const at::Tensor& x, const at::Tensor& a,
                       const at::Tensor& b, const at::Tensor& keep, double p, double scale);

at::Tensor lora_linear_reference(const at::Tensor& base, const at::Tensor& x, const at::Tensor& a,
                                 const at::Tensor& b, const at::Tensor& keep, double p,
                                 double scale);

}  // namespace tandem::learn
