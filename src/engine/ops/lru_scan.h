// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tandem::engine {

// Diagonal complex linear recurrence, in place:
//
//     h[k] = u[k] + (carried[k] ? lambda * h[k-1] : 0)
//
//   h        [T, 2H]  u on entry; real parts of the H channels, then imaginary parts
//   lambda   [2H]     likewise
//   carried  [T]      0 where no state comes in (a row's start, behind padding)
//   state    [2H]     h[-1] on entry, h[T-1] on return; null: carried[0] must be 0 and nothing
//                     is returned
//
// O(T H), one pass; one step at a time gives the same bits as all at once.
void lru_scan(float* h, int64_t steps, int64_t channels, const float* lambda,
              const uint8_t* carried, float* state);

}  // namespace tandem::engine
