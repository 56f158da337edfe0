// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "eval/bootstrap.h"

namespace tandem {

// One dot with its interval, a line of its own under its label.
struct DotRow {
  std::string label;
  size_t colour = 0;  // of the system (SystemColours)
  double value = 0;
  Interval interval;
  std::optional<double> published = {};  // a second, hollow mark
};

// Values of several systems, or differences with a line at 0.
struct DotPlot {
  std::string title;
  std::string x_label;
  std::vector<DotRow> rows = {};
  bool differences = false;  // signed numbers, and the axis always holds 0
};

// A picture as inline SVG, 360 units wide, that needs nothing but the page's style. One without
// rows says so.
std::string draw(const DotPlot& plot);

}  // namespace tandem
