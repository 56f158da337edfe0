// SPDX-License-Identifier: Apache-2.0
#include "data/importers/time_unit.h"

#include <algorithm>
#include <array>
#include <span>

#include "core/error.h"
#include "core/plural.h"
#include "data/describe.h"

namespace tandem {
namespace {

struct Unit {
  std::string_view name;
  int64_t per_second;
  int64_t from;  // the smallest number that is taken for it
};
// 1973 in each unit; below 10^8 a number says nothing (a counter, a day).
constexpr std::array<Unit, 4> kUnits = {{{"seconds", 1, 100'000'000},
                                         {"milliseconds", 1'000, 100'000'000'000},
                                         {"microseconds", 1'000'000, 100'000'000'000'000},
                                         {"nanoseconds", 1'000'000'000, 100'000'000'000'000'000}}};

// Rows of each unit, by size.
std::array<int64_t, kUnits.size()> count_votes(std::span<const int64_t> times) {
  std::array<int64_t, kUnits.size()> votes{};
  for (const int64_t time : times) {
    for (size_t unit = kUnits.size(); unit-- > 0;) {
      if (time < kUnits[unit].from) continue;
      ++votes[unit];
      break;
    }
  }
  return votes;
}

// 20180707, 201807072209 or 20180707220911 as seconds.
std::optional<int64_t> calendar_number(int64_t number) {
  CivilTime civil;
  const auto take = [&](int64_t base) {
    const int64_t part = number % base;
    number /= base;
    return part;
  };
  constexpr int64_t kDay = 100'000'000, kMinute = 1'000'000'000'000, kSecond = 100'000'000'000'000;
  if (number >= kSecond) return std::nullopt;
  if (number >= kMinute) civil.second = take(100);
  if (number >= kDay * 100) {
    civil.minute = take(100);
    civil.hour = take(100);
  }
  if (number >= kDay || number < kDay / 10) return std::nullopt;
  civil.day = take(100);
  civil.month = take(100);
  civil.year = number;
  if (civil.year < 1950 || civil.year > 2099) return std::nullopt;
  return seconds_of(civil);
}

bool are_calendar_numbers(const TimeColumn& time, size_t first) {
  for (size_t row = first; row < time.size(); ++row) {
    if (time[row].fraction != 0 || !calendar_number(time.whole[row])) return false;
  }
  return true;
}

ExactTime in_seconds(const ExactTime& time, int64_t per_second) {
  int64_t whole = time.whole / per_second, rest = time.whole % per_second;
  if (rest < 0) {
    rest += per_second;
    --whole;
  }
  const uint64_t step = kFractionOne / static_cast<uint64_t>(per_second);
  return {whole,
          static_cast<uint64_t>(rest) * step + time.fraction / static_cast<uint64_t>(per_second)};
}

std::string span_of(const TimeColumn& time, size_t first) {
  const auto [low, high] =
      std::minmax_element(time.whole.begin() + static_cast<int64_t>(first), time.whole.end());
  return fmt::format("{} to {} UTC", format_time(*low), format_time(*high));
}

}  // namespace

std::string settle_times(std::string_view file, size_t first, int64_t dates, TimeColumn& time,
                         ReadContext& context) {
  const auto rows = static_cast<int64_t>(time.size() - first);
  if (rows == 0) return "";
  if (dates == rows) return "dates";
  if (dates > 0)
    throw FormatError(
        "{}: found {} of {} times written as dates and the others as numbers, "
        "expected one of both",
        file, dates, rows);
  if (are_calendar_numbers(time, first)) {
    for (size_t row = first; row < time.size(); ++row)
      time.whole[row] = *calendar_number(time.whole[row]);
    context.warn(fmt::format("{}: times are numbers of the form 20180707, read as dates: {}", file,
                             span_of(time, first)));
    return "dates as numbers";
  }
  const auto votes = count_votes(std::span(time.whole).subspan(first));
  const auto unit =
      static_cast<size_t>(std::max_element(votes.begin(), votes.end()) - votes.begin());
  int64_t others = 0;
  for (size_t other = 0; other < votes.size(); ++other) others += other == unit ? 0 : votes[other];
  if (unit > 0) {
    for (size_t row = first; row < time.size(); ++row)
      time.set(row, in_seconds(time[row], kUnits[unit].per_second));
    context.warn(fmt::format("{}: times are so large that they are read as {}: {}", file,
                             kUnits[unit].name, span_of(time, first)));
  }
  if (others > 0)
    context.warn(
        fmt::format("{}: {} of {} are not of the size of {}, as the others are; all are "
                    "read as {}",
                    file, others, counted(rows, "time"), kUnits[unit].name, kUnits[unit].name));
  return std::string(kUnits[unit].name);
}

}  // namespace tandem
