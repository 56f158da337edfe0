// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace tandem::learn {

// Inverted dropout with a given mask: x / (1 - p) where keep is 1, else 0.
//
//   x     [...]  float32 or float64
//   keep  u8 of as many elements, 0 or 1, row-major
//
// Differentiable in x. Throws ShapeError.
at::Tensor dropout(const at::Tensor& x, const at::Tensor& keep, double p);

at::Tensor dropout_reference(const at::Tensor& x, const at::Tensor& keep, double p);

}  // namespace tandem::learn
