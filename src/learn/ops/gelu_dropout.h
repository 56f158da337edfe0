// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace tandem::learn {

// y = keep * gelu(x) / (1 - p), the exact GELU and dropout in one visit of memory; the backward
// pass computes the slope again from x instead of storing it.
//
//   x     [P, F] float32
//   keep  [P, F] u8, 0 or 1; undefined: no dropout, p must be 0
//
// Throws ShapeError. One element's bits depend on that element alone.
at::Tensor gelu_dropout(const at::Tensor& x, const at::Tensor& keep, double p);

// The slow twin, in ATen: for the tests, and what other devices than the CPU run.
at::Tensor gelu_dropout_reference(const at::Tensor& x, const at::Tensor& keep, double p);

}  // namespace tandem::learn
