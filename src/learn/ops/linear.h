// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace tandem::learn {

// y = x W^T + b with trained weights.
//
//   x [P, I] float32, bfloat16 or float64 -> y [P, O] of the same type
//   weight [O, I], bias [O] or undefined: float32 (float64 with x of float64)
//
// With x of bfloat16 the weight is rounded for the product, its gradient is float32 again.
//
// ATen hands float32 products to a library that uses AVX2 kernels on some processors with AVX-512;
// here oneDNN does them tile by tile. Tiles are cut by shape alone, so the bits do not depend on
// the number of threads. O(P I O), twice that backward. Differentiable in all three. Throws
// ShapeError. Safe to call concurrently. On other devices than the CPU it is ATen's product.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace tandem::learn
