// SPDX-License-Identifier: Apache-2.0
#include "learn/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace tandem::learn {

double Schedule::factor(int64_t step) const {
  const auto at = static_cast<double>(step);
  if (at < warmup_steps) return at / warmup_steps;
  if (kind == ScheduleKind::kConstant) return 1;
  const auto length = std::max(1.0, static_cast<double>(total_steps) - warmup_steps);
  const double done = std::clamp((at - warmup_steps) / length, 0.0, 1.0);
  if (kind == ScheduleKind::kLinear) return 1 - done;
  return 0.5 * (1 + std::cos(std::numbers::pi * done));
}

ScheduleKind parse_schedule(std::string_view name) {
  if (name == "constant") return ScheduleKind::kConstant;
  if (name == "linear") return ScheduleKind::kLinear;
  if (name == "cosine") return ScheduleKind::kCosine;
  throw ConfigError("train.schedule is '{}'; expected constant, linear or cosine", name);
}

}  // namespace tandem::learn
