// SPDX-License-Identifier: Apache-2.0
#include "eval/report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "eval/report/page.h"

namespace tandem {
namespace {

constexpr double kWidth = 360, kHeight = 268;  // without the legend
constexpr double kLeft = 52, kRight = 346, kTop = 44, kBottom = 226;
constexpr double kLegendRow = 18;

// Beside the colours, for paper and for eyes that do not tell them apart.
constexpr std::array<const char*, 5> kDashes = {"", "7 3", "8 3 2 3", "4 2", "10 4"};

const char* dashes(const Series& series) {
  if (series.dashed) return "2 3";
  return series.colour == kNeutralColour ? "" : kDashes[series.colour % kDashes.size()];
}

// A linear or logarithmic axis from data to the picture.
struct Axis {
  std::vector<double> ticks;
  double from, to;  // in the picture
  bool logarithmic = false;

  double operator()(double value) const {
    const auto at = [&](double v) { return logarithmic ? std::log(v) : v; };
    const double low = at(ticks.front()), high = at(ticks.back());
    return from + (to - from) * (high > low ? (at(value) - low) / (high - low) : 0.5);
  }
};

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;

  void add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

// 1, 2, 5, 10, ... around [low, high], both positive.
std::vector<double> log_ticks(double low, double high) {
  std::vector<double> ticks;
  for (double power = std::pow(10, std::floor(std::log10(low))); power < 10 * high; power *= 10) {
    for (const double digit : {1, 2, 5}) {
      const double tick = digit * power;
      if (tick <= low && !ticks.empty() && ticks.back() <= low) ticks.pop_back();
      if (ticks.empty() || ticks.back() < high) ticks.push_back(tick);
    }
  }
  return ticks;
}

std::string text(double x, double y, const char* anchor, std::string_view content,
                 std::string_view more = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y,
                     anchor, more, html_escape(content));
}

std::string axes(const Chart& chart, const Axis& x, const Axis& y) {
  std::string svg;
  for (const double tick : y.ticks) {
    svg +=
        fmt::format("<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>\n",
                    kLeft, kRight, y(tick));
    svg += text(kLeft - 6, y(tick) + 4, "end", fmt::format("{:.6g}", tick));
  }
  if (chart.x_names.empty()) {
    for (const double tick : x.ticks) {
      svg += text(x(tick), kBottom + 16, "middle", fmt::format("{:.6g}", tick));
    }
  } else {
    for (size_t i = 0; i < chart.x_names.size(); ++i) {
      svg += text(x(static_cast<double>(i)), kBottom + 16, "middle", chart.x_names[i]);
    }
  }
  svg +=
      fmt::format("<path class=\"axis\" d=\"M{0} {1}V{2}H{3}\"/>\n", kLeft, kTop, kBottom, kRight);
  svg += text((kLeft + kRight) / 2, kBottom + 32, "middle", chart.x_label);
  svg += text(kLeft, kTop - 10, "start", chart.y_label);
  return svg;
}

// shift: to the right, so that whiskers at one place stand beside each other.
std::string line(const Series& series, double shift, const Axis& x, const Axis& y) {
  std::string path, marks;
  for (size_t i = 0; i < series.x.size(); ++i) {
    if (!std::isfinite(series.x[i]) || !std::isfinite(series.y[i])) continue;
    const double px = x(series.x[i]) + shift, py = y(series.y[i]);
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", px, py);
    if (series.x.size() <= 40) {
      marks += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\"/>", px, py);
    }
    if (i < series.low.size() && i < series.high.size()) {
      marks += fmt::format("<path d=\"M{0:.1f} {1:.1f}V{2:.1f}\"/>", px, y(series.low[i]),
                           y(series.high[i]));
    }
  }
  return fmt::format(
      "<g class=\"{0}\" fill=\"currentColor\" stroke=\"currentColor\"><path class=\"line\" "
      "stroke-dasharray=\"{1}\" d=\"{2}\"/>{3}</g>\n",
      colour_class(series.colour), dashes(series), path, marks);
}

// Names beside their lines, in as many rows as they need; height is what they take.
std::string legend(const std::vector<Series>& series, double& height) {
  std::string svg;
  double at = kLeft, y = kHeight + 4;
  for (const Series& one : series) {
    const double width = 36 + 6.6 * static_cast<double>(one.name.size());
    if (at > kLeft && at + width > kWidth) {
      at = kLeft;
      y += kLegendRow;
    }
    svg += fmt::format(
        "<path class=\"line {}\" stroke=\"currentColor\" stroke-dasharray=\"{}\" "
        "d=\"M{:.1f} {}h20\"/>\n",
        colour_class(one.colour), dashes(one), at, y);
    svg += text(at + 25, y + 4, "start", one.name);
    at += width;
  }
  height = y + kLegendRow - kHeight;
  return svg;
}

}  // namespace

std::vector<double> axis_ticks(double low, double high, int count) {
  if (!(high > low)) high = low + (low == 0 ? 1 : std::abs(low) * 0.1);
  const double rough = (high - low) / std::max(1, count);
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double digit : {5, 2, 1}) {
    if (digit * power >= rough * (1 - 1e-9)) step = digit * power;
  }
  std::vector<double> ticks;
  const double first = std::floor(low / step + 1e-9);
  for (double i = first;; i += 1) {
    ticks.push_back(i * step);
    if (ticks.back() >= high - 1e-9 * step) return ticks;
  }
}

std::string draw(const Chart& chart) {
  Range xs, ys;
  for (const Series& series : chart.series) {
    for (size_t i = 0; i < series.x.size(); ++i) {
      if (!std::isfinite(series.y[i])) continue;
      xs.add(series.x[i]);
      ys.add(series.y[i]);
      if (i < series.low.size()) ys.add(series.low[i]);
      if (i < series.high.size()) ys.add(series.high[i]);
    }
  }
  double legend_height = 0;
  const std::string names = legend(chart.series, legend_height);
  std::string svg = fmt::format(
      "<svg viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" "
      "aria-label=\"{2}\">\n",
      kWidth, kHeight + legend_height, html_escape(chart.title));
  svg += text(0, 13, "start", chart.title, " class=\"title\"");
  if (xs.empty()) return svg + text(kWidth / 2, kHeight / 2, "middle", "no values") + "</svg>\n";
  if (chart.from_zero && ys.low > 0) ys.low = 0;
  if (!chart.x_names.empty()) {
    xs.low = -0.5;
    xs.high = static_cast<double>(chart.x_names.size()) - 0.5;
  }
  Axis x{{xs.low, xs.high}, kLeft, kRight, chart.log_x};
  if (chart.x_names.empty()) {
    x.ticks = chart.log_x ? log_ticks(xs.low, xs.high) : axis_ticks(xs.low, xs.high, 5);
  }
  const Axis y{axis_ticks(ys.low, ys.high, 5), kBottom, kTop};
  svg += axes(chart, x, y);
  const double middle = (static_cast<double>(chart.series.size()) - 1) / 2;
  for (size_t i = 0; i < chart.series.size(); ++i) {
    const double shift = chart.x_names.empty() ? 0 : 5 * (static_cast<double>(i) - middle);
    svg += line(chart.series[i], shift, x, y);
  }
  return svg + names + "</svg>\n";
}

}  // namespace tandem
