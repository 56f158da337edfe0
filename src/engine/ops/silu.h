// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

namespace tandem::engine {

// x / (1 + exp(-x)).
inline float silu(float x) { return x / (1 + std::exp(-x)); }

}  // namespace tandem::engine
