// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tandem::learn {

// The sum of term(i) for i in [0, count), in an order that compilers can turn into vectors: eight
// running sums, then a tree. The bits depend on the terms alone.
template <typename A, typename Term>
A lane_sum(int64_t count, const Term& term) {
  A lanes[8] = {};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (int lane = 0; lane < 8; ++lane) lanes[lane] += term(i + lane);
  for (; i < count; ++i) lanes[0] += term(i);
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
         ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

}  // namespace tandem::learn
