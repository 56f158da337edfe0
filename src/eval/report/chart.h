// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace tandem {

// One line of a chart: points (x, y) in increasing x, each with a whisker from low to high where
// those are given (empty, or as many as points). Points that are not finite are left out.
struct Series {
  std::string name;
  size_t colour = 0;    // of the system it is about (SystemColours)
  bool dashed = false;  // a second line about the same system
  std::vector<double> x = {}, y = {}, low = {}, high = {};
};

struct Chart {
  std::string title, x_label, y_label;
  std::vector<Series> series = {};
  bool log_x = false;     // x must then be positive
  bool from_zero = true;  // whether the y axis begins at 0 when all values are positive
  std::vector<std::string> x_names = {};  // with names, x = 0, 1, ... are categories
};

// Round numbers that cut [low, high] into about `count` steps of 1, 2 or 5 times a power of ten;
// the first is not above low, the last not below high.
std::vector<double> axis_ticks(double low, double high, int count);

// A picture as inline SVG, 360 units wide, that needs nothing but the page's style: axes, grid,
// lines, whiskers, legend. A chart without points says so.
std::string draw(const Chart& chart);

}  // namespace tandem
