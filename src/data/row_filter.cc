// SPDX-License-Identifier: Apache-2.0
#include "data/row_filter.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "data/fields.h"

namespace tandem {
namespace {

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

template <typename T>
bool compare(const T& a, std::string_view op, const T& b) {
  if (op == ">") return a > b;
  if (op == ">=") return a >= b;
  if (op == "<") return a < b;
  if (op == "<=") return a <= b;
  return (a == b) == (op == "=");
}

}  // namespace

bool is_missing(std::string_view text) {
  text = trimmed(text);
  if (text.empty()) return true;
  if (text.size() > 4 || std::string_view("nN<\\").find(text[0]) == std::string_view::npos)
    return false;
  for (const std::string_view spelling :
       {"null", "NULL", "NaN", "nan", "None", "NA", "N/A", "<NA>", "\\N"})
    if (text == spelling) return true;
  return false;
}

Condition::Condition(std::string_view text) {
  const size_t at = std::min(text.find_first_of("<>=!"), text.size());
  const size_t length = text.substr(at).size() > 1 && text[at + 1] == '=' ? 2 : 1;
  std::string_view op = text.substr(at, length);
  if (op == "==") op = "=";
  column_ = std::string(trimmed(text.substr(0, at)));
  operator_ = std::string(op);
  value_ = std::string(trimmed(text.substr(std::min(at + length, text.size()))));
  if (column_.empty() || value_.empty() || op.empty() || op == "!")
    throw UsageError(
        "--where: found '{}', expected COLUMN OPERATOR VALUE such as 'quantity>0'; operators are "
        "> >= < <= = !=",
        text);
  number_ = number_of(value_);
}

std::string Condition::text() const { return fmt::format("{}{}{}", column_, operator_, value_); }

bool Condition::holds(std::string_view value) const {
  value = trimmed(value);
  if (number_) {
    if (const auto number = number_of(value)) return compare(*number, operator_, *number_);
  }
  return compare(value, operator_, std::string_view(value_));
}

void DroppedRows::drop(int64_t reason) {
  if (count(reason) < kMostExamples) examples_.push_back({reason, "", line_, excerpt(text_)});
  if (counts_.size() <= static_cast<size_t>(reason))
    counts_.resize(static_cast<size_t>(reason) + 1);
  ++counts_[reason];
}

void DroppedRows::append(const DroppedRows& later, std::string_view file, int64_t first_line) {
  for (const DroppedRow& row : later.examples_) {
    const auto shown =
        std::count_if(examples_.begin(), examples_.end(),
                      [&](const DroppedRow& old) { return old.reason == row.reason; });
    if (shown < kMostExamples)
      examples_.push_back({row.reason, std::string(file), first_line + row.line, row.text});
  }
  counts_.resize(std::max(counts_.size(), later.counts_.size()));
  for (size_t i = 0; i < later.counts_.size(); ++i) counts_[i] += later.counts_[i];
}

int64_t DroppedRows::count(int64_t reason) const {
  const auto at = static_cast<size_t>(reason);
  return at < counts_.size() ? counts_[at] : 0;
}

int64_t DroppedRows::total() const {
  return std::accumulate(counts_.begin(), counts_.end(), int64_t{0});
}

RowFilter::RowFilter(const std::vector<std::string>& conditions) {
  for (const std::string& text : conditions) conditions_.emplace_back(text);
}

std::string RowFilter::reason_text(int64_t reason) const {
  if (reason == kNoUser) return "without a user";
  if (reason == kNoItem) return "without an item";
  const Condition& condition = conditions_[(reason - 2) / 2];
  if (reason % 2 == 0) return fmt::format("not {}", condition.text());
  return fmt::format("without a value for {}", condition.column());
}

}  // namespace tandem
