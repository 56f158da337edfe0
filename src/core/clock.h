// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

namespace tandem {

// Seconds since construction, on the steady clock.
class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// "1.4 s", "2 min 05 s", "3 h 12 min".
std::string format_duration(double seconds);

// The time now as ISO 8601 in UTC, seconds.
std::string utc_now();

}  // namespace tandem
