// SPDX-License-Identifier: Apache-2.0
#include "eval/report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace tandem {
namespace {

constexpr double kWidth = 460, kHeight = 300;
constexpr double kLeft = 58, kRight = 434, kTop = 40, kBottom = 244;

struct Style {
  const char *colour, *dash;
};
constexpr std::array<Style, 6> kStyles = {{{"#1f5fa8", ""},
                                           {"#c8501e", "6 3"},
                                           {"#2c8a4b", "2 3"},
                                           {"#7a4bb0", "8 3 2 3"},
                                           {"#9a7a10", "4 4"},
                                           {"#555", "1 3"}}};

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
  svg += text(kLeft, kTop - 8, "start", chart.y_label);
  return svg;
}

std::string line(const Series& series, const Style& style, bool connected, const Axis& x,
                 const Axis& y) {
  std::string path, marks;
  for (size_t i = 0; i < series.x.size(); ++i) {
    if (!std::isfinite(series.x[i]) || !std::isfinite(series.y[i])) continue;
    const double px = x(series.x[i]), py = y(series.y[i]);
    if (connected) path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", px, py);
    if (series.x.size() <= 40) {
      marks += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\"/>", px, py);
    }
    if (i < series.low.size() && i < series.high.size()) {
      marks += fmt::format("<path d=\"M{0:.1f} {1:.1f}V{2:.1f}\"/>", px, y(series.low[i]),
                           y(series.high[i]));
    }
  }
  return fmt::format(
      "<g fill=\"{0}\" stroke=\"{0}\"><path class=\"line\" stroke-dasharray=\"{1}\" "
      "d=\"{2}\"/>{3}</g>\n",
      style.colour, style.dash, path, marks);
}

std::string legend(const std::vector<Series>& series) {
  std::string svg;
  double at = kLeft;
  for (size_t i = 0; i < series.size(); ++i) {
    const Style& style = kStyles[i % kStyles.size()];
    svg += fmt::format(
        "<path class=\"line\" stroke=\"{}\" stroke-dasharray=\"{}\" d=\"M{:.1f} {}h22\"/>\n",
        style.colour, style.dash, at, kHeight - 10);
    svg += text(at + 27, kHeight - 6, "start", series[i].name);
    at += 40 + 6.4 * static_cast<double>(series[i].name.size());
  }
  return svg;
}

}  // namespace

std::string html_escape(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

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
  std::string svg = fmt::format(
      "<svg viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" "
      "aria-label=\"{2}\">\n",
      kWidth, kHeight, html_escape(chart.title));
  svg += text(kLeft, 12, "start", chart.title, " class=\"title\"");
  if (xs.empty()) return svg + text(kWidth / 2, kHeight / 2, "middle", "no values") + "</svg>\n";
  if (chart.from_zero && ys.low > 0) ys.low = 0;
  if (!chart.x_names.empty()) {
    xs.low = -0.5;
    xs.high = static_cast<double>(chart.x_names.size()) - 0.5;
  }
  Axis x{{xs.low, xs.high}, kLeft, kRight, chart.log_x};
  if (chart.x_names.empty()) {
    x.ticks = chart.log_x ? log_ticks(xs.low, xs.high) : axis_ticks(xs.low, xs.high, 6);
  }
  const Axis y{axis_ticks(ys.low, ys.high, 5), kBottom, kTop};
  svg += axes(chart, x, y);
  for (size_t i = 0; i < chart.series.size(); ++i) {
    svg += line(chart.series[i], kStyles[i % kStyles.size()], chart.connected, x, y);
  }
  return svg + legend(chart.series) + "</svg>\n";
}

}  // namespace tandem
