// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/file.h"
#include "core/json.h"
#include "core/output.h"
#include "eval/compare.h"

namespace tandem {

// What was compared, for people.
struct ComparisonContext {
  std::string folder_a, folder_b;
  Evaluation a, b;
  ResamplingOptions options;
};

Json comparison_json(const ComparisonContext& context, const Comparison& comparison);

// A and B side by side and the difference with its interval, as a table for the terminal.
std::string comparison_text(const ComparisonContext& context, const Comparison& comparison);

// The differences with their intervals, metric by metric, as one SVG file.
std::string comparison_picture(const Comparison& comparison);

// The table and the picture as an HTML page that loads nothing.
std::string comparison_page(const ComparisonContext& context, const Comparison& comparison);

// comparison.json, comparison.svg and comparison.html in a new folder.
void write_comparison(const Output& output, const ComparisonContext& context,
                      const Comparison& comparison);
extern const OutputKind kComparisonFolder;

}  // namespace tandem
