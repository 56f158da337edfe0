// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "core/rng.h"

namespace tandem::test {

inline std::vector<float> random_values(int64_t count, uint64_t seed, double stddev = 1) {
  Rng rng(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(stddev * rng.normal());
  return values;
}

}  // namespace tandem::test
