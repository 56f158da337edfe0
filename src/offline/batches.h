// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>

namespace tandem {

// What a progress bar says of long work, and what is said when it is interrupted.
struct BatchWork {
  const char* label;    // "ranking"
  const char* unit;     // "users"
  const char* stopped;  // "stopped before all users were ranked"
};

// Calls work(begin, end) for consecutive parts of [0, count), 1,920 at most at a time, so that
// memory for some thousand users is enough; shows progress. Throws Stopped between two parts after
// an interrupt.
void in_batches(const BatchWork& what, int64_t count,
                const std::function<void(int64_t begin, int64_t end)>& work);

}  // namespace tandem
