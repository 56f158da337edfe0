// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tandem::engine {

// bf16_gemm() for a few rows of A (one token of a text), where reading B is all the work: B passes
// by once, and each row of A is multiplied by some of B's rows while they are in the first-level
// cache. Any CPU, with its widest vectors. From memory that a core reads at 19 GB/s it reads 14 to
// 18, oneDNN's product of one row 10.
//
// C[i, j] depends on A's row i and B's row j alone, and on the vector width.
void bf16_few_rows(int64_t m, int64_t n, int64_t k, const uint16_t* a, int64_t lda,
                   const uint16_t* b, int64_t ldb, float* c, int64_t ldc);

}  // namespace tandem::engine
