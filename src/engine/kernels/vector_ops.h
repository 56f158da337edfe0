// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tandem::engine {

// Loops over one row, on the calling thread, with the widest vectors of the machine. The bits
// depend on the row and the vector width alone.

// Exact: every F16 and BF16 is a float.
void widen_f16(const uint16_t* x, int64_t count, float* out);
void widen_bf16(const uint16_t* x, int64_t count, float* out);

// To the nearest BF16, ties to even, as float_to_bf16().
void narrow_bf16(const float* x, int64_t count, uint16_t* out);

// out[i] = x[i] * weight[i] / sqrt(mean(x^2) + eps); out may be x.
void rms_norm_row(const float* x, int64_t count, const float* weight, float eps, float* out);

// x[i] = exp(x[i] - max) / sum; exponentials are good to 1 ulp. count > 0.
void softmax_row(float* x, int64_t count);

// gate[i] = silu(gate[i]) * up[i], silu(x) = x / (1 + exp(-x)).
void silu_multiply(float* gate, const float* up, int64_t count);

}  // namespace tandem::engine
