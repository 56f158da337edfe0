// SPDX-License-Identifier: Apache-2.0
#include "eval/report/training_section.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <tuple>
#include <utility>
#include <vector>

#include "eval/report/chart.h"

namespace tandem {
namespace {

// What runs of one chart have in common: verb, data set, number of validation users (0: all).
using Kind = std::tuple<std::string, std::string, int64_t>;

Kind kind_of(const ReportedRun& run) {
  const std::string where = run.name + "/run.json";
  return {json_get_or<std::string>(run.info, "verb", "training", where),
          json_get_or<std::string>(run.info, "dataset_fingerprint", "", where),
          json_get_or<int64_t>(run.info, "valid_users", 0, where)};
}

// The value under a path of keys in every line that has it, against the step.
Series logged(const ReportedRun& run, std::initializer_list<const char*> path,
              SystemColours& colours) {
  Series series{.name = run.name, .colour = colours.of(run.name)};
  for (const Json& line : run.lines) {
    const Json* at = &line;
    for (const char* key : path) {
      const auto found = at->is_object() ? at->find(key) : at->end();
      at = at->is_object() && found != at->end() ? &*found : nullptr;
      if (at == nullptr) break;
    }
    const auto step = line.is_object() ? line.find("step") : line.end();
    if (at == nullptr || !at->is_number() || step == line.end() || !step->is_number()) continue;
    series.x.push_back(step->get<double>());
    series.y.push_back(at->get<double>());
  }
  return series;
}

// Empty when no run logged it.
std::string chart_of(std::span<const ReportedRun* const> runs, std::string title, bool from_zero,
                     std::initializer_list<const char*> path, SystemColours& colours) {
  Chart chart{.title = std::move(title), .x_label = "optimiser step", .y_label = ""};
  chart.from_zero = from_zero;
  for (const ReportedRun* run : runs) {
    Series series = logged(*run, path, colours);
    if (!series.x.empty()) chart.series.push_back(std::move(series));
  }
  return chart.series.empty() ? "" : draw(chart);
}

}  // namespace

std::string training_section(std::span<const ReportedRun> runs, SystemColours& colours) {
  std::vector<Kind> kinds;
  for (const ReportedRun& run : runs) {
    if (std::ranges::find(kinds, kind_of(run)) == kinds.end()) kinds.push_back(kind_of(run));
  }
  std::string html;
  for (const Kind& kind : kinds) {
    std::vector<const ReportedRun*> alike;
    for (const ReportedRun& run : runs) {
      if (kind_of(run) == kind) alike.push_back(&run);
    }
    const auto& [verb, data, users] = kind;
    html += fmt::format("<h2>Training: {}</h2>\n<p class=\"note\">Data {}{}.</p>\n",
                        html_escape(verb), html_escape(data.substr(0, 12)),
                        users > 0 ? fmt::format("; validation on {} users", users) : "");
    html += "<div class=\"charts\">\n" +
            chart_of(alike, "Training loss", false, {"loss"}, colours) +
            chart_of(alike, "Validation NDCG@10", true, {"valid", "NDCG@10"}, colours) +
            chart_of(alike, "Validation Recall@10", true, {"valid", "Recall@10"}, colours) +
            chart_of(alike, "Gradient norm", true, {"gradient_norm"}, colours) + "</div>\n";
  }
  return html;
}

}  // namespace tandem
