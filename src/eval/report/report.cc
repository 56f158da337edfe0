// SPDX-License-Identifier: Apache-2.0
#include "eval/report/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>
#include <utility>

#include "core/error.h"
#include "eval/history_length.h"
#include "eval/report/beyond_section.h"
#include "eval/report/chart.h"

namespace tandem {
namespace {

// By which a page of this program is known again.
constexpr std::string_view kGenerator = "<meta name=\"generator\" content=\"Tandem\">";

constexpr const char* kStyle = R"(
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 980px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; } th, td { text-align: right; padding: .2em .9em; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; } td small { color: #666; } .note { color: #555; }
.charts { display: flex; flex-wrap: wrap; gap: 12px; } svg { max-width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: #333; } svg .title { font-weight: 600; font-size: 13px; }
h3 { font-size: 1em; margin-top: 1.5em; } pre { white-space: pre-wrap; background: #f6f6f6; padding: .6em; font-size: 13px; }
summary { cursor: pointer; } details details { margin: .4em 1em; } .truth td { font-weight: 600; background: #eef5ee; }
.example th:nth-child(2), .example td:nth-child(2), .example td:nth-child(4) { text-align: left; }
.bar { display: inline-block; height: .8em; background: #1f5fa8; }
.grid { stroke: #e4e4e4; } .axis { stroke: #666; fill: none; } .line { fill: none; stroke-width: 1.8; }
)";

std::string protocol_section(std::span<const Evaluation> evaluations) {
  std::string html;
  for (const Evaluation& evaluation : evaluations) {
    const Protocol& protocol = evaluation.protocol;
    html += fmt::format(
        "<p class=\"note\"><b>{}</b>: {}. {} resamples, seed {}; data {}, program {}.</p>\n",
        html_escape(evaluation.system), html_escape(evaluation.describe()),
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

using Lengths = std::span<const std::vector<int32_t>>;

Chart length_chart(std::span<const Evaluation> evaluations, Lengths lengths, ThreadPool& pool) {
  constexpr int64_t kGroups = 5;
  const Metric metric{MetricKind::kNdcg, 10};
  Chart chart{"NDCG@10 against the history's length",
              "interactions before the target",
              "NDCG@10",
              {},
              false,
              true,
              {}};
  const std::vector<int32_t> bounds = length_bounds(lengths.front(), kGroups);
  for (size_t e = 0; e < evaluations.size(); ++e) {
    const Evaluation& evaluation = evaluations[e];
    const std::vector<LengthGroup> groups = by_history_length(
        evaluation.ranks, lengths[e], bounds, metric, evaluation.protocol.resampling, pool);
    Series series{evaluation.system, {}, {}, {}, {}};
    for (const LengthGroup& group : groups) {
      if (e == 0) chart.x_names.push_back(length_name(group));
      const auto at = std::ranges::find(bounds, group.longest) - bounds.begin();
      series.x.push_back(static_cast<double>(at));
      series.y.push_back(group.value);
      series.low.push_back(group.interval.low);
      series.high.push_back(group.interval.high);
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

// Evaluations of one set of users: table, Recall, history's length, protocol.
std::string evaluation_section(std::span<const Evaluation> evaluations, Lengths lengths,
                               ThreadPool& pool) {
  std::string html =
      metric_section(evaluations) + "<div class=\"charts\">\n" + draw(recall_chart(evaluations));
  const bool known = std::ranges::none_of(lengths, [](const auto& of) { return of.empty(); });
  if (!lengths.empty() && known) html += draw(length_chart(evaluations, lengths, pool));
  return html + "</div>\n" + protocol_section(evaluations);
}

// Runs of evaluations over the same set of users, each under its heading.
std::string evaluation_sections(const Report& report, ThreadPool& pool) {
  const std::span<const Evaluation> all = report.evaluations;
  const bool known = report.history_lengths.size() == all.size();
  std::string html;
  for (size_t begin = 0; begin < all.size();) {
    size_t end = begin + 1;
    while (end < all.size() && all[end].protocol.users == all[begin].protocol.users) ++end;
    const std::string& users = all[begin].protocol.users;
    html += fmt::format("<h2>{}</h2>\n", users == "all" ? "All users"
                                         : users == "valid retrieval"
                                             ? "Users whose held-out item was retrieved"
                                             : html_escape(users));
    const auto lengths =
        known ? Lengths(report.history_lengths).subspan(begin, end - begin) : Lengths();
    html += evaluation_section(all.subspan(begin, end - begin), lengths, pool);
    begin = end;
  }
  return html +
         "<p class=\"note\">In brackets the percentile bootstrap interval over users. Whether two "
         "systems differ is a paired question: <code>tandem compare A B</code>.</p>\n";
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

const OutputKind kReportPage = {
    .name = "a report", .recognises = [](const fs::path& path) {
      try {
        return MappedFile(path).text().substr(0, 4096).find(kGenerator) != std::string_view::npos;
      } catch (const Error&) {
        return false;
      }
    }};

std::string html_report(const Report& report, ThreadPool& pool) {
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\n"
      "{2}\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n<style>{1}</style></head><body>\n"
      "<h1>{0}</h1>\n",
      html_escape(report.title), kStyle, kGenerator);
  if (!report.evaluations.empty()) html += evaluation_sections(report, pool);
  for (const BeyondUtility& beyond : report.beyond)
    html += "<h2>Beyond accuracy</h2>\n" + beyond_section(beyond);
  if (!report.runs.empty()) html += "<h2>Training</h2>\n" + training_section(report.runs);
  return html + "</body></html>\n";
}

}  // namespace tandem
