// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tandem::learn {

enum class ScheduleKind { kConstant, kLinear, kCosine };

// The learning rate as a factor of its peak, by step. A linear warm-up over warmup_steps (step i
// has factor i / warmup_steps, so the first has 0), then constant, or falling to 0 at total_steps
// along a line or half a cosine.
struct Schedule {
  ScheduleKind kind = ScheduleKind::kConstant;
  double warmup_steps = 0;  // need not be whole
  int64_t total_steps = 0;

  double factor(int64_t step) const;
};

// "constant", "linear" or "cosine"; ConfigError otherwise.
ScheduleKind parse_schedule(std::string_view name);

}  // namespace tandem::learn
