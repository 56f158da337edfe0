// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

// Whether a text stands for "no value", as exports write it: nothing (or blanks), null, NULL, NaN,
// nan, None, NA, N/A, <NA> or \N. Other spellings are values.
bool is_missing(std::string_view text);

// "column operator value": the rows for which it holds stay. Operators are > >= < <= = (also ==)
// and !=. Numbers are compared as numbers when both sides are numbers, else both as text, byte by
// byte.
class Condition {
 public:
  // Throws UsageError for a text without an operator, column or value.
  explicit Condition(std::string_view text);

  const std::string& column() const { return column_; }
  bool holds(std::string_view value) const;
  std::string text() const;

 private:
  std::string column_, operator_, value_;
  std::optional<double> number_;  // of value_
};

// A row that was left out.
struct DroppedRow {
  int64_t reason = 0;  // RowFilter's
  std::string file;
  int64_t line = 0;
  std::string text;  // shortened
};

// Counts of rows left out, by reason, and the first kMostExamples of each.
class DroppedRows {
 public:
  static constexpr int64_t kMostExamples = 3;

  // The row that drop() speaks of.
  void at(int64_t line, std::string_view text) {
    line_ = line;
    text_ = text;
  }
  void drop(int64_t reason);
  // Those of a later part of the file, whose lines count from first_line.
  void append(const DroppedRows& later, std::string_view file, int64_t first_line);

  int64_t count(int64_t reason) const;
  int64_t total() const;
  const std::vector<DroppedRow>& examples() const { return examples_; }

 private:
  std::vector<int64_t> counts_;  // by reason
  std::vector<DroppedRow> examples_;
  int64_t line_ = 0;
  std::string_view text_;
};

// Which rows of a log are read: those with a user and an item, for which every condition holds.
// Reasons for leaving a row out are numbered: kNoUser, kNoItem, then two for each condition.
class RowFilter {
 public:
  static constexpr int64_t kNoUser = 0, kNoItem = 1;

  RowFilter() = default;
  explicit RowFilter(const std::vector<std::string>& conditions);

  const std::vector<Condition>& conditions() const { return conditions_; }
  int64_t num_reasons() const { return 2 + 2 * static_cast<int64_t>(conditions_.size()); }
  // The condition is not met, or the row has no value in its column.
  static int64_t unmet(size_t condition) { return 2 + 2 * static_cast<int64_t>(condition); }
  static int64_t no_value(size_t condition) { return 3 + 2 * static_cast<int64_t>(condition); }
  std::string reason_text(int64_t reason) const;

  // Why the row is left out: no user, no item, then the first condition that has no value or is
  // not met; nothing when it stays. value(i) is the text in the i-th condition's column, "" where
  // there is none.
  template <typename Value>
  std::optional<int64_t> reason(std::string_view user, std::string_view item, Value value) const {
    if (is_missing(user)) return kNoUser;
    if (is_missing(item)) return kNoItem;
    for (size_t i = 0; i < conditions_.size(); ++i) {
      const std::string_view text = value(i);
      if (is_missing(text)) return no_value(i);
      if (!conditions_[i].holds(text)) return unmet(i);
    }
    return std::nullopt;
  }

 private:
  std::vector<Condition> conditions_;
};

}  // namespace tandem
