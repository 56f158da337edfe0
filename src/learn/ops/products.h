// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace tandem::learn {

// Matrix products of the linear layers, without autograd, operands of one floating type. Float32 on
// the CPU goes to oneDNN tile by tile, for the reason given in learn/ops/linear.h; other types and
// devices to ATen, whose bfloat16 products use the processor's own (sums in float32, result
// rounded). Float32 bits do not depend on the number of threads. Throw ShapeError.
at::Tensor product_nt(const at::Tensor& x, const at::Tensor& w);   // [P, I], [O, I] -> [P, O]
at::Tensor product_nn(const at::Tensor& dy, const at::Tensor& w);  // [P, O], [O, I] -> [P, I]
at::Tensor product_tn(const at::Tensor& dy, const at::Tensor& x);  // [P, O], [P, I] -> [O, I]

}  // namespace tandem::learn
