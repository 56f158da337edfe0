// SPDX-License-Identifier: Apache-2.0
#include "eval/report/verdict_section.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/report/dot_plot.h"

namespace tandem {
namespace {

// Of the comparisons with one baseline.
std::string plots(std::span<const Comparison> comparisons, const std::string& baseline,
                  const std::string& scope, SystemColours& colours) {
  std::string html;
  for (size_t m = 0; m < comparisons.front().metrics.size(); ++m) {
    const std::string& metric = comparisons.front().metrics[m].name;
    DotPlot plot{.title = fmt::format("{} minus {}'s", metric, baseline),
                 .x_label = scope,
                 .rows = {},
                 .differences = true};
    for (const Comparison& one : comparisons) {
      if (one.system_a != baseline) continue;
      plot.rows.push_back({.label = one.system_b,
                           .colour = colours.of(one.system_b),
                           .value = one.metrics[m].difference,
                           .interval = one.metrics[m].interval});
    }
    html += draw(plot);
  }
  return html;
}

}  // namespace

std::string verdict_section(std::span<const Comparison> comparisons, const std::string& scope,
                            SystemColours& colours) {
  if (comparisons.empty()) return "";
  std::string html;
  std::vector<std::string> baselines;
  for (const Comparison& one : comparisons) {
    html += fmt::format("<p class=\"verdict\"><span class=\"key {}\"></span>{}.</p>\n",
                        colour_class(colours.of(one.system_b)),
                        html_escape(verdict(one.system_a, one.system_b, one.metrics.front())));
    if (std::ranges::find(baselines, one.system_a) == baselines.end())
      baselines.push_back(one.system_a);
  }
  html += "<div class=\"charts\">\n";
  for (const std::string& baseline : baselines)
    html += plots(comparisons, baseline, scope, colours);
  return html + "</div>\n";
}

}  // namespace tandem
