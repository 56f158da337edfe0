// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace tandem {

// A time as a file has it, exact to 18 decimals: whole + fraction / 10^18, where whole is rounded
// down. Counts the file's unit since 1970, seconds when it was written as a date.
struct ExactTime {
  int64_t whole = 0;
  uint64_t fraction = 0;
  bool date = false;

  bool operator==(const ExactTime&) const = default;
  // Whether it comes before the other.
  bool before(const ExactTime& other) const {
    return whole != other.whole ? whole < other.whole : fraction < other.fraction;
  }
};
inline constexpr uint64_t kFractionOne = 1'000'000'000'000'000'000;

// Times of a log, parallel to its other columns. fraction is as long as whole, or empty when no time
// has one: most logs count seconds.
struct TimeColumn {
  std::vector<int64_t> whole;
  std::vector<uint64_t> fraction;

  size_t size() const { return whole.size(); }
  ExactTime operator[](size_t row) const {
    return {whole[row], fraction.empty() ? 0 : fraction[row]};
  }
  void set(size_t row, const ExactTime& time) {
    whole[row] = time.whole;
    if (fraction.empty() && time.fraction == 0) return;
    fraction.resize(whole.size());
    fraction[row] = time.fraction;
  }
  void push_back(const ExactTime& time) {
    whole.push_back(time.whole);
    if (!fraction.empty() || time.fraction != 0) {
      fraction.resize(whole.size());
      fraction.back() = time.fraction;
    }
  }
};

// A number ("964982703", "1.6e9", "1600000000.25") or a date, which without a zone is UTC:
//
//     2018-07-07   2018-07   2018/7/7   20180707T220911Z   2018-07-07 22:09:11.5+02:00
//     09 13, 2009  (reviewTime of Amazon)   Tue Nov 17 11:37:35 -0800 2009  (Goodreads, Twitter)
//
// Eight digits alone are a number. Throws BadLine.
ExactTime parse_time(std::string_view text);

// Seconds since 1970 of a day and a time of day in UTC; nothing when there is no such day or time.
// 24:00:00 and a leap second belong to the next day or minute.
struct CivilTime {
  int64_t year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0;
};
std::optional<int64_t> seconds_of(const CivilTime& civil);

}  // namespace tandem
