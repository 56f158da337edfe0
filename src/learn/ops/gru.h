// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace tandem::learn {

// One GRU layer over packed rows, each from a state of zeros, with PyTorch's equations and its
// order of gates (r, z, n):
//
//     r = sigmoid(W_ir x + b_ir + W_hr h + b_hr);   z likewise
//     n = tanh(W_in x + b_in + r (W_hn h + b_hn));  h' = (1 - z) n + z h
//
//   x          [P, I]
//   weight_ih  [3H, I],  weight_hh [3H, H],  bias_ih, bias_hh [3H]
//   row_starts [B+1] int64; no row is empty
//   result     [P, H], the state after each position
//
// All float32. Rows of about one length advance together, so that the recurrent product is one of
// matrices; groups of rows run in parallel. Backward keeps the gates (4 H floats a position). O(P H
// (I + H)). Bits do not depend on the number of threads. Differentiable in all but row_starts. On
// other devices than the CPU: ATen's GRU. Throws ShapeError.
at::Tensor gru(const at::Tensor& x, const at::Tensor& weight_ih, const at::Tensor& weight_hh,
               const at::Tensor& bias_ih, const at::Tensor& bias_hh, const at::Tensor& row_starts);

// By ATen's packed GRU, any device and floating type.
at::Tensor gru_composed(const at::Tensor& x, const at::Tensor& weight_ih,
                        const at::Tensor& weight_hh, const at::Tensor& bias_ih,
                        const at::Tensor& bias_hh, const at::Tensor& row_starts);

// Position by position from the equations; slow, for tests.
at::Tensor gru_reference(const at::Tensor& x, const at::Tensor& weight_ih,
                         const at::Tensor& weight_hh, const at::Tensor& bias_ih,
                         const at::Tensor& bias_hh, const at::Tensor& row_starts);

}  // namespace tandem::learn
