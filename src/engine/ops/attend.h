// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tandem::engine {

// Multi-head attention of one query:  out = softmax(q k^T / sqrt(size)) v, head by head.
//
//   query, out [D], heads side by side;  key, value [steps, D]
//
// The bits depend on the arguments alone.
void attend(const float* query, const float* key, const float* value, int64_t steps, int64_t width,
            int64_t heads, float* out);

}  // namespace tandem::engine
