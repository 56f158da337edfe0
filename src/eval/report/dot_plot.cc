// SPDX-License-Identifier: Apache-2.0
#include "eval/report/dot_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "eval/report/chart.h"
#include "eval/report/page.h"

namespace tandem {
namespace {

constexpr double kWidth = 360, kLeft = 10, kRight = 350, kTop = 26, kRow = 38, kBottom = 36;

std::string number(double value, bool is_signed) {
  return is_signed ? fmt::format("{:+.4f}", value) : fmt::format("{:.4f}", value);
}

std::string tick_name(double tick, bool is_signed) {
  return is_signed && tick != 0 ? fmt::format("{:+.4g}", tick) : fmt::format("{:.4g}", tick);
}

}  // namespace

std::string draw(const DotPlot& plot) {
  const double bottom = kTop + kRow * static_cast<double>(std::max<size_t>(1, plot.rows.size()));
  std::string svg = fmt::format(
      "<svg viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" "
      "aria-label=\"{2}\">\n<text class=\"title\" x=\"0\" y=\"13\">{2}</text>\n",
      kWidth, bottom + kBottom, html_escape(plot.title));
  if (plot.rows.empty())
    return svg +
           fmt::format("<text x=\"{}\" y=\"{}\">no values</text></svg>\n", kLeft, kTop + kRow / 2);
  double low = plot.differences ? 0 : plot.rows[0].value, high = low;
  for (const DotRow& row : plot.rows) {
    for (const double value :
         {row.value, row.interval.low, row.interval.high, row.published.value_or(row.value)}) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (!plot.differences) low = std::min(low, 0.0);
  const std::vector<double> ticks = axis_ticks(low, high, 4);
  const auto x = [&](double value) {
    return kLeft + (kRight - kLeft) * (value - ticks.front()) / (ticks.back() - ticks.front());
  };
  for (const double tick : ticks) {
    const bool zero = plot.differences && std::abs(tick) < 1e-12;
    const double at = x(tick);
    svg += fmt::format(
        "<line class=\"{0}\" x1=\"{1:.1f}\" x2=\"{1:.1f}\" y1=\"{2}\" y2=\"{3}\"/>"
        "<text class=\"small\" x=\"{1:.1f}\" y=\"{4}\" text-anchor=\"{5}\">{6}</text>\n",
        zero ? "zero" : "grid", at, kTop - 4, bottom, bottom + 14,
        at < kLeft + 20    ? "start"
        : at > kRight - 20 ? "end"
                           : "middle",
        tick_name(zero ? 0 : tick, plot.differences));
  }
  for (size_t r = 0; r < plot.rows.size(); ++r) {
    const DotRow& row = plot.rows[r];
    const double top = kTop + kRow * static_cast<double>(r), y = top + 26;
    svg += fmt::format(
        "<text x=\"{0}\" y=\"{1}\">{2}</text><text class=\"small\" x=\"{3}\" y=\"{1}\" "
        "text-anchor=\"end\">{4}</text>\n<g class=\"{5}\" fill=\"currentColor\" "
        "stroke=\"currentColor\"><path class=\"whisker\" d=\"M{6:.1f} {8}H{7:.1f}\"/>"
        "<circle cx=\"{9:.1f}\" cy=\"{8}\" r=\"4\"/>",
        kLeft, top + 13, html_escape(row.label), kRight, number(row.value, plot.differences),
        colour_class(row.colour), x(row.interval.low), x(row.interval.high), y, x(row.value));
    if (row.published)
      svg += fmt::format(
          "<path fill=\"none\" stroke-width=\"1.6\" d=\"M{0:.1f} {1}l5 5l-5 5l-5 -5z\"/>",
          x(*row.published), y - 5);
    svg += "</g>\n";
  }
  return svg + fmt::format(
                   "<text class=\"small\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text></svg>\n",
                   kRight, bottom + 30, html_escape(plot.x_label));
}

}  // namespace tandem
