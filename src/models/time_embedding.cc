// SPDX-License-Identifier: Apache-2.0
#include "models/time_embedding.h"

#include <chrono>

#include "core/error.h"
#include "models/parameter_spec.h"

namespace tandem {

TimeFields calendar_fields(int64_t seconds) {
  namespace chrono = std::chrono;
  const chrono::sys_seconds time{chrono::seconds(seconds)};
  const auto midnight = chrono::floor<chrono::days>(time);
  const chrono::year_month_day day(midnight);
  const chrono::hh_mm_ss clock(time - midnight);
  return {static_cast<int>(day.year()),
          static_cast<int32_t>(static_cast<unsigned>(day.month())),
          static_cast<int32_t>(static_cast<unsigned>(day.day())),
          static_cast<int32_t>(clock.hours().count()),
          static_cast<int32_t>(clock.minutes().count()),
          static_cast<int32_t>(clock.seconds().count())};
}

TimeFields time_rows(int64_t seconds) {
  // The first seconds of the years 0 and 2100. A chrono::year has 16 bits, so one must not ask it.
  constexpr int64_t kFirst = -62167219200, kEnd = 4102444800;
  if (seconds < kFirst || seconds >= kEnd)
    throw DataError(
        "the time {} of an interaction is not in the years 0 to 2099; expected seconds since 1970 "
        "(are these milliseconds?)",
        seconds);
  return calendar_fields(seconds);
}

std::vector<TensorSpec> time_parameters(int64_t table_width, int64_t width) {
  std::vector<TensorSpec> specs;
  for (const TimeTable& table : kTimeTables)
    specs.push_back({table.name, {table.rows, table_width}});
  add_linear(specs, "time_mlp.0", width, std::ssize(kTimeTables) * table_width);
  add_linear(specs, "time_mlp.2", width, width);
  return specs;
}

}  // namespace tandem
