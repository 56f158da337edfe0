// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tandem::engine {

// One tile of a softmax over columns, in place and in one visit, on the calling thread:
//
//     x[r, c] += bias[c];               max[r] = max_c x[r, c]
//     x[r, c] = exp(x[r, c] - max[r]);  sum[r] = sum_c x[r, c]
//
//   x [rows, columns] with row stride `stride`; bias [columns]; columns > 0
//
// Exponentials are good to 1 ulp. Uses the widest vectors of the machine.
void exp_rows(float* x, int64_t rows, int64_t columns, int64_t stride, const float* bias,
              float* max, float* sum);

// The second half of the same softmax: x[r, c] *= factor[r], then column_sum[c] += sum_r x[r, c],
// rows in order.
void scale_rows(float* x, int64_t rows, int64_t columns, int64_t stride, const float* factor,
                float* column_sum);

}  // namespace tandem::engine
