// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tandem::engine {

// x <- x / |x| in place, the length summed in double; the length before. Zeros stay.
float make_unit(float* x, int64_t width);

}  // namespace tandem::engine
