// SPDX-License-Identifier: Apache-2.0
#include "eval/report/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <span>
#include <utility>

#include "core/error.h"
#include "eval/report/chart.h"

namespace tandem {
namespace {

constexpr const char* kStyle = R"(
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 980px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; } th, td { text-align: right; padding: .2em .9em; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; } td small { color: #666; } .note { color: #555; }
.charts { display: flex; flex-wrap: wrap; gap: 12px; } svg { max-width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: #333; } svg .title { font-weight: 600; font-size: 13px; }
.grid { stroke: #e4e4e4; } .axis { stroke: #666; fill: none; } .line { fill: none; stroke-width: 1.8; }
)";

std::string protocol_section(std::span<const Evaluation> evaluations) {
  std::string html;
  for (const Evaluation& evaluation : evaluations) {
    const Protocol& protocol = evaluation.protocol;
    html += fmt::format(
        "<p class=\"note\"><b>{}</b>: {}. {} resamples, seed {}; data {}, program {}.</p>\n",
        html_escape(evaluation.system),
        html_escape(protocol.describe(evaluation.num_users(), evaluation.num_tied())),
        protocol.resampling.resamples, protocol.resampling.seed,
        html_escape(protocol.fingerprint.substr(0, 12)), html_escape(protocol.version));
  }
  return html;
}

std::string metric_section(std::span<const Evaluation> evaluations) {
  std::string html = "<table><tr><th>metric</th>";
  for (const Evaluation& evaluation : evaluations) {
    html += fmt::format("<th>{}</th>", html_escape(evaluation.system));
  }
  html += "</tr>\n";
  for (const MetricResult& row : evaluations.front().metrics) {
    html += fmt::format("<tr><td>{}</td>", html_escape(row.name));
    for (const Evaluation& evaluation : evaluations) {
      const auto found =
          std::find_if(evaluation.metrics.begin(), evaluation.metrics.end(),
                       [&](const MetricResult& metric) { return metric.name == row.name; });
      html += found == evaluation.metrics.end()
                  ? std::string("<td></td>")
                  : fmt::format("<td>{:.4f} <small>[{:.4f}, {:.4f}]</small></td>", found->value,
                                found->interval.low, found->interval.high);
    }
    html += "</tr>\n";
  }
  return html + "</table>\n";
}

Chart recall_chart(std::span<const Evaluation> evaluations) {
  Chart chart{"Recall against the cut-off", "K", "Recall@K", {}, true, true, {}};
  for (const Evaluation& evaluation : evaluations) {
    Series series{evaluation.system, {}, {}, {}, {}};
    for (const int32_t cutoff : {1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100}) {
      const auto hits = std::count_if(evaluation.ranks.begin(), evaluation.ranks.end(),
                                      [&](int32_t rank) { return rank > 0 && rank <= cutoff; });
      series.x.push_back(cutoff);
      series.y.push_back(static_cast<double>(hits) / static_cast<double>(evaluation.num_users()));
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

// Where groups of about equal size end: each bound is the longest history of its group.
std::vector<int32_t> group_bounds(std::vector<int32_t> lengths, size_t groups) {
  std::sort(lengths.begin(), lengths.end());
  std::vector<int32_t> bounds;
  for (size_t g = 1; g <= groups; ++g) {
    const int32_t bound = lengths[lengths.size() * g / groups - 1];
    if (bounds.empty() || bound > bounds.back()) bounds.push_back(bound);
  }
  return bounds;
}

Chart length_chart(const Report& report, ThreadPool& pool) {
  constexpr size_t kGroups = 5;
  const Metric metric{MetricKind::kNdcg, 10};
  Chart chart{"NDCG@10 against the history's length",
              "interactions before the target",
              "NDCG@10",
              {},
              false,
              true,
              {}};
  const std::vector<int32_t>& reference = report.history_lengths.front();
  const auto bounds =
      group_bounds(reference, std::min(kGroups, std::max<size_t>(1, reference.size())));
  int32_t from = *std::min_element(reference.begin(), reference.end());
  for (const int32_t bound : bounds) {
    chart.x_names.push_back(from == bound ? fmt::format("{}", bound)
                                          : fmt::format("{}-{}", from, bound));
    from = bound + 1;
  }
  for (size_t e = 0; e < report.evaluations.size(); ++e) {
    const Evaluation& evaluation = report.evaluations[e];
    const std::vector<int32_t>& lengths = report.history_lengths[e];
    if (lengths.size() != evaluation.ranks.size()) {
      throw ShapeError("report: {} history lengths for {} users of {}", lengths.size(),
                       evaluation.ranks.size(), evaluation.system);
    }
    Series series{evaluation.system, {}, {}, {}, {}};
    for (size_t g = 0; g < bounds.size(); ++g) {
      std::vector<int32_t> ranks;
      for (size_t u = 0; u < lengths.size(); ++u) {
        const bool above = g == 0 || lengths[u] > bounds[g - 1];
        if (above && (lengths[u] <= bounds[g] || g + 1 == bounds.size()))
          ranks.push_back(evaluation.ranks[u]);
      }
      if (ranks.empty()) continue;
      const UserValues values = user_values(ranks, {&metric, 1});
      const Interval interval =
          bootstrap_intervals(values, evaluation.protocol.resampling, pool).front();
      series.x.push_back(static_cast<double>(g));
      series.y.push_back(means(values).front());
      series.low.push_back(interval.low);
      series.high.push_back(interval.high);
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

// The value under a path of keys in every line that has it, against the step.
Series logged(const ReportedRun& run, std::initializer_list<const char*> path, std::string name) {
  Series series{std::move(name), {}, {}, {}, {}};
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

std::string training_section(std::span<const ReportedRun> runs) {
  const auto chart = [&](std::string title, bool from_zero, const auto& make) {
    Chart picture{std::move(title), "optimiser step", "", {}, false, from_zero, {}};
    for (const ReportedRun& run : runs) {
      for (Series& series : make(run)) {
        if (!series.x.empty()) picture.series.push_back(std::move(series));
      }
    }
    return draw(picture);
  };
  using Lines = std::vector<Series>;
  std::string html = "<div class=\"charts\">\n";
  html += chart("Training loss", false,
                [](const ReportedRun& run) { return Lines{logged(run, {"loss"}, run.name)}; });
  html += chart("Validation NDCG@10", true, [](const ReportedRun& run) {
    return Lines{logged(run, {"valid", "NDCG@10"}, run.name)};
  });
  html += chart("Validation Recall@10", true, [](const ReportedRun& run) {
    return Lines{logged(run, {"valid", "Recall@10"}, run.name)};
  });
  html += chart("Gradient norm", true, [](const ReportedRun& run) {
    return Lines{logged(run, {"gradient_norm"}, run.name)};
  });
  return html + "</div>\n";
}

}  // namespace

std::string html_report(const Report& report, ThreadPool& pool) {
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n<style>{1}</style></head><body>\n"
      "<h1>{0}</h1>\n",
      html_escape(report.title), kStyle);
  if (!report.evaluations.empty()) {
    html += "<h2>Metrics</h2>\n" + metric_section(report.evaluations);
    html +=
        "<p class=\"note\">In brackets the percentile bootstrap interval over users. Whether two "
        "systems differ is "
        "a paired question: <code>tandem compare A B</code>.</p>\n";
    html += "<h2>By rank and by history</h2>\n<div class=\"charts\">\n" +
            draw(recall_chart(report.evaluations));
    const bool known = report.history_lengths.size() == report.evaluations.size() &&
                       std::all_of(report.history_lengths.begin(), report.history_lengths.end(),
                                   [](const auto& lengths) { return !lengths.empty(); });
    if (known) html += draw(length_chart(report, pool));
    html += "</div>\n<h2>Protocol</h2>\n" + protocol_section(report.evaluations);
  }
  if (!report.runs.empty()) html += "<h2>Training</h2>\n" + training_section(report.runs);
  return html + "</body></html>\n";
}

}  // namespace tandem
