// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace tandem::learn {

// Diagonal linear recurrence over packed rows, the core of an LRU block (Eq. 5 of Yue et al.,
// "Linear Recurrent Units for Sequential Recommendation"):
//
//     h[k] = u[k] + carry[k] * lambda * h[k-1]        u already holds gamma * (B x + b)
//
//   u           [P, 2H]  float32 or float64; columns 0..H-1 real parts, H..2H-1 imaginary parts
//   lambda      [2H]     real parts, then imaginary parts; |lambda| < 1
//   carry       [P]      u8; 0 where no state comes in: at a row's first position and after an
//                        input 0
//   row_starts  [B+1]    int64; rows run in parallel
//   result      [P, 2H], laid out as u
//
// O(P H), one pass over memory; on other devices than the CPU, lru_scan_composed. Differentiable in
// u and lambda; bits do not depend on the number of threads. Throws ShapeError. Safe to call
// concurrently.
at::Tensor lru_scan(const at::Tensor& u, const at::Tensor& lambda, const at::Tensor& carry,
                    const at::Tensor& row_starts);

// The same in ATen operations, on any device: log2(longest row) rounds, in each of which a position
// takes over what the one 2^round before it knows. O(P H log T).
at::Tensor lru_scan_composed(const at::Tensor& u, const at::Tensor& lambda, const at::Tensor& carry,
                             const at::Tensor& row_starts);

// The same, position by position with ATen operations; slow, for tests.
at::Tensor lru_scan_reference(const at::Tensor& u, const at::Tensor& lambda,
                              const at::Tensor& carry);

}  // namespace tandem::learn
