// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tandem::engine {

// x := x Phi(x), the exact (erf) form of GELU, in place. Absolute error below 4e-7 for |x| < 10.
// The bits of one element depend on that element alone. All three run on the calling thread.
void gelu(float* x, int64_t count);

// The same followed by dropout in one visit: y = factor keep x Phi(x), where keep is 0 or 1.
void gelu_dropout(const float* x, const uint8_t* keep, float factor, int64_t count, float* y);

// dx = factor keep dy (Phi(x) + x phi(x)), phi the normal density; keep null stands for ones.
void gelu_dropout_backward(const float* x, const uint8_t* keep, float factor, const float* dy,
                           int64_t count, float* dx);

}  // namespace tandem::engine
