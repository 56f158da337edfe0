// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace tandem::learn {

// An affine map of every position:  y = x W^T + b
//
//   x [P, I],  weight [O, I],  bias [O] -> y [P, O], float32
//
// ATen hands such products to a library that uses AVX2 kernels on some processors with AVX-512;
// here oneDNN does them tile by tile. Tiles are cut by shape alone, so the bits do not depend on
// the number of threads. O(P I O), twice that backward. Differentiable in all three. Throws
// ShapeError. Safe to call concurrently. On other devices than the CPU it is ATen's product.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace tandem::learn
