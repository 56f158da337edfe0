// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tandem {

// C = alpha * op(A) op(B) + beta * C in float32, row-major, on the calling thread only (oneDNN with
// one thread).
//
//   op(A) [M, K] with row stride lda of A as stored,  op(B) [K, N],  C [M, N]
//
// Bits depend on the shape and the machine type, not on the thread that calls. Safe to call
// concurrently.
void sgemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
           const float* a, int64_t lda, const float* b, int64_t ldb, float beta, float* c,
           int64_t ldc);

}  // namespace tandem
