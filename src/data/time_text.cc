// SPDX-License-Identifier: Apache-2.0
#include "data/time_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <string>

#include "data/fields.h"

namespace tandem {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Reads a text from left to right.
struct Scanner {
  std::string_view left;

  bool done() const { return left.empty(); }
  bool take(char c) {
    if (left.empty() || left.front() != c) return false;
    left.remove_prefix(1);
    return true;
  }
  void blanks() {
    while (take(' ')) {
    }
  }
  bool take_word(std::string_view word) {
    if (!left.starts_with(word)) return false;
    left.remove_prefix(word.size());
    return true;
  }
  // A number of least to most digits.
  std::optional<int64_t> digits(size_t least, size_t most) {
    size_t count = 0;
    int64_t value = 0;
    while (count < std::min(most, left.size()) && is_digit(left[count]))
      value = value * 10 + (left[count++] - '0');
    if (count < least) return std::nullopt;
    left.remove_prefix(count);
    return value;
  }
  // Decimals behind a point, in 10^-18; what is finer is cut off.
  std::optional<uint64_t> decimals() {
    if (left.empty() || !is_digit(left.front())) return std::nullopt;
    uint64_t value = 0;
    size_t count = 0;
    for (; !left.empty() && is_digit(left.front()); left.remove_prefix(1)) {
      if (count == 18) continue;
      value = value * 10 + static_cast<uint64_t>(left.front() - '0');
      ++count;
    }
    for (; count < 18; ++count) value *= 10;
    return value;
  }
};

// Sign, digits with at most one point, exponent: all that std::from_chars takes but "inf" and
// "nan". The digits are shifted as text, so that nothing is rounded.
std::optional<ExactTime> parse_number(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  std::string digits;
  int64_t point = -1;
  size_t at = 0;
  for (; at < text.size(); ++at) {
    if (is_digit(text[at])) {
      digits += text[at];
    } else if (text[at] == '.' && point < 0) {
      point = static_cast<int64_t>(digits.size());
    } else {
      break;
    }
  }
  if (digits.empty()) return std::nullopt;
  if (point < 0) point = static_cast<int64_t>(digits.size());
  if (at < text.size()) {
    if (text[at] != 'e' && text[at] != 'E') return std::nullopt;
    if (++at < text.size() && text[at] == '+') ++at;
    int64_t exponent = 0;
    const auto [end, error] =
        std::from_chars(text.data() + at, text.data() + text.size(), exponent);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    point += std::clamp<int64_t>(exponent, -5000, 5000);
  }
  ExactTime time;
  const auto size = static_cast<int64_t>(digits.size());
  int64_t scale = 0;  // decimals read
  for (int64_t i = std::min<int64_t>(point, 0); i < std::max(size, point) && scale < 18; ++i) {
    const int64_t digit = i >= 0 && i < size ? digits[i] - '0' : 0;
    if (i < point) {
      if (time.whole > (INT64_C(9'000'000'000'000'000'000) - digit) / 10) return std::nullopt;
      time.whole = time.whole * 10 + digit;
    } else {
      time.fraction = time.fraction * 10 + static_cast<uint64_t>(digit);
      ++scale;
    }
  }
  for (; scale < 18; ++scale) time.fraction *= 10;
  if (negative) {
    time.whole = -time.whole - (time.fraction > 0 ? 1 : 0);
    if (time.fraction > 0) time.fraction = kFractionOne - time.fraction;
  }
  return time;
}

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// "22:09", "22:09:11", "22:09:11.25", "220911"; false when it is none of them.
bool scan_clock(Scanner& in, CivilTime& civil, uint64_t& fraction) {
  const auto hour = in.digits(1, 2);
  if (!hour) return false;
  const bool colons = in.take(':');
  const auto minute = in.digits(2, 2);
  if (!minute) return false;
  civil.hour = *hour;
  civil.minute = *minute;
  if (colons ? !in.take(':') : in.done() || !is_digit(in.left.front())) return true;
  const auto second = in.digits(2, 2);
  if (!second) return false;
  civil.second = *second;
  if (in.take('.') || in.take(',')) {
    const auto decimals = in.decimals();
    if (!decimals) return false;
    fraction = *decimals;
  }
  return true;
}

// "", "Z", "UTC", "+02:00", "-0800", "+2" as seconds east of UTC.
std::optional<int64_t> scan_zone(Scanner& in) {
  in.blanks();
  if (in.done()) return 0;
  if (in.take('Z') || in.take('z')) return 0;
  if (in.take_word("UTC") || in.take_word("GMT")) {
    if (in.done()) return 0;
  }
  const bool west = in.take('-');
  if (!west && !in.take('+')) return std::nullopt;
  const auto hour = in.digits(1, 2);
  in.take(':');
  const auto minute = in.done() || !is_digit(in.left.front()) ? 0 : in.digits(2, 2);
  if (!hour || !minute || *hour > 18 || *minute > 59) return std::nullopt;
  return (west ? -1 : 1) * (*hour * 3600 + *minute * 60);
}

// Behind the day: nothing, or a time of day and a zone.
std::optional<ExactTime> scan_rest(Scanner& in, CivilTime civil) {
  uint64_t fraction = 0;
  int64_t east = 0;
  if (!in.done()) {
    const bool clock = in.take('T') || in.take('t') || in.take(' ');
    in.blanks();
    if (!clock && !in.left.starts_with('Z')) return std::nullopt;
    if (clock && !scan_clock(in, civil, fraction)) return std::nullopt;
    const auto zone = scan_zone(in);
    if (!zone || !in.done()) return std::nullopt;
    east = *zone;
  }
  const auto seconds = seconds_of(civil);
  if (!seconds) return std::nullopt;
  return ExactTime{*seconds - east, fraction, true};
}

// The day of a week date (the week of January 4 is the first, 1 is Monday) or of an ordinal date.
std::optional<CivilTime> civil_of(std::chrono::sys_days day) {
  const std::chrono::year_month_day date(day);
  CivilTime civil;
  civil.year = static_cast<int>(date.year());
  civil.month = static_cast<unsigned>(date.month());
  civil.day = static_cast<unsigned>(date.day());
  return civil;
}
std::optional<CivilTime> scan_week_day(Scanner& in, int year) {
  namespace ch = std::chrono;
  const auto week = in.digits(2, 2);
  in.take('-');
  const auto day = in.digits(1, 1);
  if (!week || !day || *week < 1 || *week > 53 || *day < 1 || *day > 7) return std::nullopt;
  const ch::sys_days fourth = ch::year(year) / ch::January / 4;
  const ch::sys_days monday = fourth - (ch::weekday(fourth) - ch::Monday);
  return civil_of(monday + ch::days((*week - 1) * 7 + *day - 1));
}
std::optional<CivilTime> scan_ordinal(Scanner& in, int year) {
  namespace ch = std::chrono;
  const auto day = in.digits(3, 3);
  if (!day || *day < 1 || *day > (ch::year(year).is_leap() ? 366 : 365)) return std::nullopt;
  return civil_of(ch::sys_days(ch::year(year) / ch::January / 1) + ch::days(*day - 1));
}

// How many digits the text begins with.
size_t num_digits(std::string_view text) {
  return static_cast<size_t>(std::find_if_not(text.begin(), text.end(), is_digit) - text.begin());
}

// ISO 8601, also with slashes: 2018-07-07, 2018/7/7, 2018-07, 2018-188, 2018-W27-6, 20180707T...
std::optional<ExactTime> parse_iso(std::string_view text) {
  Scanner in{text};
  CivilTime civil;
  const auto year = in.digits(4, 4);
  if (!year || *year < 1) return std::nullopt;
  const bool week = in.take_word("-W") || in.take('W');
  if (week || (in.left.starts_with('-') && num_digits(in.left.substr(1)) == 3)) {
    if (!week) in.take('-');
    const int number = static_cast<int>(*year);
    const auto day = week ? scan_week_day(in, number) : scan_ordinal(in, number);
    return day ? scan_rest(in, *day) : std::nullopt;
  }
  civil.year = *year;
  const char dash = in.left.starts_with('/') ? '/' : '-';
  const bool basic = !in.take(dash);
  const auto month = in.digits(basic ? 2 : 1, 2);
  if (!month) return std::nullopt;
  civil.month = *month;
  if (basic || in.take(dash)) {
    const auto day = in.digits(basic ? 2 : 1, 2);
    if (!day) return std::nullopt;
    civil.day = *day;
  }
  return scan_rest(in, civil);
}

// "09 13, 2009"
std::optional<ExactTime> parse_month_day_comma_year(std::string_view text) {
  Scanner in{text};
  CivilTime civil;
  const auto month = in.digits(1, 2);
  if (!month || !in.take(' ')) return std::nullopt;
  const auto day = in.digits(1, 2);
  if (!day || !in.take(',')) return std::nullopt;
  in.blanks();
  const auto year = in.digits(4, 4);
  if (!year) return std::nullopt;
  civil.year = *year;
  civil.month = *month;
  civil.day = *day;
  return scan_rest(in, civil);
}

// "Tue Nov 17 11:37:35 -0800 2009"
std::optional<ExactTime> parse_weekday_first(std::string_view text) {
  if (text.size() < 20 || text[3] != ' ') return std::nullopt;
  Scanner in{text.substr(4)};
  CivilTime civil;
  const auto* const month = std::find(kMonths.begin(), kMonths.end(), in.left.substr(0, 3));
  if (month == kMonths.end()) return std::nullopt;
  civil.month = 1 + (month - kMonths.begin());
  in.left.remove_prefix(3);
  in.blanks();
  const auto day = in.digits(1, 2);
  uint64_t fraction = 0;
  if (!day || !in.take(' ') || !scan_clock(in, civil, fraction)) return std::nullopt;
  const size_t year_at = in.left.rfind(' ');
  if (year_at == std::string_view::npos) return std::nullopt;
  Scanner zone{in.left.substr(0, year_at)}, year{in.left.substr(year_at + 1)};
  const auto east = scan_zone(zone), number = year.digits(4, 4);
  if (!east || !zone.done() || !number || !year.done()) return std::nullopt;
  civil.day = *day;
  civil.year = *number;
  const auto seconds = seconds_of(civil);
  if (!seconds) return std::nullopt;
  return ExactTime{*seconds - *east, fraction, true};
}

}  // namespace

std::optional<int64_t> seconds_of(const CivilTime& c) {
  namespace ch = std::chrono;
  const ch::year_month_day day{ch::year(static_cast<int>(c.year)),
                               ch::month(static_cast<unsigned>(c.month)),
                               ch::day(static_cast<unsigned>(c.day))};
  if (c.year < 1 || c.year > 9999 || c.month < 1 || c.month > 12 || !day.ok()) return std::nullopt;
  const bool midnight = c.hour == 24 && c.minute == 0 && c.second == 0;
  if ((c.hour > 23 && !midnight) || c.minute > 59 || c.second > 60) return std::nullopt;
  const int64_t days = ch::sys_days(day).time_since_epoch().count();
  return days * 86400 + c.hour * 3600 + c.minute * 60 + c.second;
}

ExactTime parse_time(std::string_view text) {
  text = trimmed(text);
  const char* const end = text.data() + text.size();
  int64_t value = 0;
  const auto whole = std::from_chars(text.data(), end, value);
  if (whole.ec == std::errc() && whole.ptr == end) return {.whole = value};
  for (const auto parse :
       {parse_number, parse_iso, parse_month_day_comma_year, parse_weekday_first}) {
    if (const auto time = parse(text)) return *time;
  }
  throw BadLine{"time " + excerpt(text),
                "a number such as 1530999999 or a date such as 2018-07-07 22:09:11"};
}

}  // namespace tandem
