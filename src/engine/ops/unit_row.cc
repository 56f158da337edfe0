// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/unit_row.h"

#include <cmath>

namespace tandem::engine {

float make_unit(float* x, int64_t width) {
  double squares = 0;
  for (int64_t i = 0; i < width; ++i) squares += double{x[i]} * x[i];
  const double length = std::sqrt(squares);
  if (length > 0)
    for (int64_t i = 0; i < width; ++i) x[i] = static_cast<float>(x[i] / length);
  return static_cast<float>(length);
}

}  // namespace tandem::engine
