// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/file.h"

namespace tandem {

// Collects what a checker found and prints one line a quantity:
//
//     lrurec/small   logits   error 1.2e-06   limit 2.0e-05   pass
class OracleReport {
 public:
  // colour: mark pass and fail for a terminal. quiet: count only.
  explicit OracleReport(bool colour = false, bool quiet = false) : colour_(colour), quiet_(quiet) {}

  // What the next lines are about: the oracle's folder, and a part of it ("small") or "".
  void begin(std::string oracle);
  void part(std::string part);

  // Passes when value <= limit. NaN and infinity fail.
  void error(std::string_view quantity, double value, double limit);
  // For what must be exactly right; detail is shown behind ("40 windows").
  void equal(std::string_view quantity, bool is_equal, std::string_view detail = "");
  void fail(std::string_view quantity, std::string_view reason);
  void skip(std::string_view quantity, std::string_view reason);

  int passed() const { return passed_; }
  int failed() const { return failed_; }
  int skipped() const { return skipped_; }
  // "41 passed, 0 failed, 2 skipped"
  std::string summary() const;

 private:
  enum class Outcome { kPass, kFail, kSkip };
  void line(std::string_view quantity, std::string_view text, Outcome outcome);

  std::string oracle_, part_;
  bool colour_, quiet_;
  int passed_ = 0, failed_ = 0, skipped_ = 0;
};

// Largest |value - wanted| of two sequences of numbers, in double. NaN when any element is;
// ShapeError when the lengths differ.
template <typename A, typename B>
double max_abs_difference(const A& value, const B& wanted) {
  if (std::size(value) != std::size(wanted)) {
    throw ShapeError("found {} numbers, expected {}", std::size(value), std::size(wanted));
  }
  double largest = 0;
  for (size_t i = 0; i < std::size(value); ++i) {
    const double difference =
        std::abs(static_cast<double>(value[i]) - static_cast<double>(wanted[i]));
    if (std::isnan(difference)) return std::numeric_limits<double>::quiet_NaN();
    largest = std::max(largest, difference);
  }
  return largest;
}

// max_abs_difference over the largest |wanted|; the plain difference where all of wanted is zero.
template <typename A, typename B>
double relative_to_max(const A& value, const B& wanted) {
  const double difference = max_abs_difference(value, wanted);
  double scale = 0;
  for (size_t i = 0; i < std::size(wanted); ++i) {
    scale = std::max(scale, std::abs(static_cast<double>(wanted[i])));
  }
  return scale > 0 ? difference / scale : difference;
}

// A checker of one kind of oracle folder, registered by a static object:
//
//     const OracleChecker checker("lrurec", "learn", check_lrurec);
//
// half says which of the two programs it is part of ("engine" or "learn"). An exception that leaves
// check counts as a failed line. check takes shapes, sizes and seeds from the folder's files.
struct OracleChecker {
  using Check = void (*)(const fs::path& folder, OracleReport& report);
  OracleChecker(std::string_view oracle, std::string_view half, Check check);

  std::string_view oracle, half;
  Check check;
};

const std::vector<const OracleChecker*>& oracle_checkers();

// The oracle that a folder of this name belongs to, or "": `lrurec` and `lrurec-seed9` are
// "lrurec", `lrurec-runs` is an oracle of its own, `lrurec2` is none.
std::string_view oracle_of_name(std::string_view folder_name);

// The oracle folders at or below root, sorted. An oracle's own sub-folders are not searched.
std::vector<fs::path> find_oracles(const fs::path& root);

// Runs every registered checker on the folder.
void check_oracle(const fs::path& folder, OracleReport& report);

}  // namespace tandem
