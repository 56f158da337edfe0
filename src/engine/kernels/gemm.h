// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tandem::engine {

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

// Whether the CPU multiplies bfloat16 itself, about twice as fast as float32.
bool has_bf16_products();

// C = A B^T of bfloat16 numbers with float32 sums, row-major, on the calling thread only:
//
//   A [M, K] and B [N, K], bits of bfloat16, with row strides lda, ldb;  C [M, N] float32
//
// oneDNN where has_bf16_products(); elsewhere bf16_gemm_widened(), because before AVX-512 oneDNN
// has a plain loop only. Up to 16 rows of A go to bf16_few_rows(), which is faster: the bits of
// such a row depend on nothing but itself and B. Safe to call concurrently.
void bf16_gemm(int64_t m, int64_t n, int64_t k, const uint16_t* a, int64_t lda, const uint16_t* b,
               int64_t ldb, float* c, int64_t ldc);
// The same for any CPU: the operands widened, which is exact, and sgemm.
void bf16_gemm_widened(int64_t m, int64_t n, int64_t k, const uint16_t* a, int64_t lda,
                       const uint16_t* b, int64_t ldb, float* c, int64_t ldc);

}  // namespace tandem::engine
