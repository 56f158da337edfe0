// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tandem::engine {

// NARM's attention score of one query and key, sum_c v[c] s(q[c] + k[c]) with the hard sigmoid
// s(x) = min(max(x / 6 + 1 / 2, 0), 1). On the calling thread; sums have a fixed order.
float additive_score(const float* q, const float* k, const float* v, int64_t width);

// With de its gradient: adds what goes to q, k and v.
void additive_score_backward(const float* q, const float* k, const float* v, float de,
                             int64_t width, float* dq, float* dk, float* dv);

}  // namespace tandem::engine
