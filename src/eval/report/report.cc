// SPDX-License-Identifier: Apache-2.0
#include "eval/report/report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <span>
#include <utility>

#include "core/error.h"
#include "eval/compare.h"
#include "eval/history_length.h"
#include "eval/report/beyond_section.h"
#include "eval/report/chart.h"
#include "eval/report/page.h"
#include "eval/report/training_section.h"
#include "eval/report/verdict_section.h"

namespace tandem {
namespace {

// By which a page of this program is known again.
constexpr std::string_view kGenerator = "<meta name=\"generator\" content=\"Tandem\">";

std::string users_title(const std::string& users) {
  std::string title = users_text(users);
  title[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(title[0])));
  return title;
}

// Evaluations that may be compared user by user; nothing else shares a table or a chart.
struct Group {
  std::vector<const Evaluation*> systems;
  std::vector<const std::vector<int32_t>*> lengths;  // of the histories; empty where not known

  const Protocol& protocol() const { return systems.front()->protocol; }
};

std::vector<Group> grouped(const Report& report) {
  std::vector<Group> groups;
  for (size_t e = 0; e < report.evaluations.size(); ++e) {
    const Evaluation& evaluation = report.evaluations[e];
    const auto fits = [&](const Group& group) {
      return reasons_not_comparable(*group.systems.front(), evaluation).empty();
    };
    auto group = std::ranges::find_if(groups, fits);
    if (group == groups.end()) group = groups.insert(groups.end(), Group{});
    group->systems.push_back(&evaluation);
    if (!report.history_lengths.empty()) group->lengths.push_back(&report.history_lengths[e]);
  }
  std::ranges::stable_sort(groups, {},
                           [](const Group& group) { return group.protocol().users != "all"; });
  return groups;
}

// How the numbers of a group are made, once: the systems differ in nothing but their ties.
std::string protocol_paragraph(const Group& group) {
  const auto most = std::ranges::max_element(group.systems, {}, &Evaluation::num_tied);
  const Evaluation& tied = **most;
  const Protocol& protocol = group.protocol();
  std::set<std::string> versions;
  for (const Evaluation* system : group.systems) versions.insert(system->protocol.version);
  return fmt::format(
      "<p class=\"note\">{}{}. In brackets the percentile bootstrap interval over users, {} "
      "resamples, seed {}; differences are paired by user, p by sign flips. Data {}, program "
      "{}.</p>\n",
      html_escape(tied.describe()),
      group.systems.size() > 1 && tied.num_tied() > 0
          ? fmt::format(" (ties of {}, which has most)", html_escape(tied.system))
          : "",
      protocol.resampling.resamples, protocol.resampling.seed,
      html_escape(protocol.fingerprint.substr(0, 12)),
      html_escape(fmt::format("{}", fmt::join(versions, ", "))));
}

// Metrics as rows; of the systems that have them.
std::string metric_table(const Group& group, std::span<const std::string> metrics,
                         SystemColours& colours) {
  std::vector<std::vector<std::string>> rows(1, {"metric"});
  for (const Evaluation* system : group.systems) rows[0].push_back(colours.label(system->system));
  for (const std::string& name : metrics) {
    std::vector<std::string>& row = rows.emplace_back(1, html_escape(name));
    for (const Evaluation* system : group.systems) {
      const auto found = std::ranges::find(system->metrics, name, &MetricResult::name);
      row.push_back(found == system->metrics.end()
                        ? std::string()
                        : fmt::format("{:.4f} <small>[{:.4f}, {:.4f}]</small>", found->value,
                                      found->interval.low, found->interval.high));
    }
  }
  return html_table(rows);
}

// Those at the cut-off 10 open, all of them folded away.
std::string metric_tables(const Group& group, SystemColours& colours) {
  std::vector<std::string> all, few;
  for (const Evaluation* system : group.systems) {
    for (const MetricResult& metric : system->metrics) {
      if (std::ranges::find(all, metric.name) == all.end()) all.push_back(metric.name);
    }
  }
  for (const std::string& name : all) {
    if (name.ends_with("@10")) few.push_back(name);
  }
  if (few.empty() || few.size() == all.size()) return metric_table(group, all, colours);
  return metric_table(group, few, colours) + "<details><summary>All cut-offs</summary>\n" +
         metric_table(group, all, colours) + "</details>\n";
}

Chart recall_chart(const Group& group, SystemColours& colours) {
  Chart chart{.title = "Recall against the cut-off", .x_label = "K", .y_label = "Recall@K"};
  chart.log_x = true;
  for (const Evaluation* system : group.systems) {
    Series series{.name = system->system, .colour = colours.of(system->system)};
    for (const int32_t cutoff : {1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100}) {
      const auto hits = std::ranges::count_if(
          system->ranks, [&](int32_t rank) { return rank > 0 && rank <= cutoff; });
      series.x.push_back(cutoff);
      series.y.push_back(static_cast<double>(hits) / static_cast<double>(system->num_users()));
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

Chart length_chart(const Group& group, SystemColours& colours, ThreadPool& pool) {
  constexpr int64_t kGroups = 5;
  const Metric metric{MetricKind::kNdcg, 10};
  Chart chart{.title = "NDCG@10 against the history's length",
              .x_label = "interactions before the target",
              .y_label = "NDCG@10"};
  const std::vector<int32_t> bounds = length_bounds(*group.lengths.front(), kGroups);
  for (size_t e = 0; e < group.systems.size(); ++e) {
    const Evaluation& system = *group.systems[e];
    const std::vector<LengthGroup> groups = by_history_length(
        system.ranks, *group.lengths[e], bounds, metric, system.protocol.resampling, pool);
    Series series{.name = system.system, .colour = colours.of(system.system)};
    for (const LengthGroup& one : groups) {
      if (e == 0) chart.x_names.push_back(length_name(one));
      const auto at = std::ranges::find(bounds, one.longest) - bounds.begin();
      series.x.push_back(static_cast<double>(at));
      series.y.push_back(one.value);
      series.low.push_back(one.interval.low);
      series.high.push_back(one.interval.high);
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

// Every further system against the first one.
std::vector<Comparison> comparisons_of(const Group& group, ThreadPool& pool) {
  std::vector<Comparison> list;
  for (size_t e = 1; e < group.systems.size(); ++e)
    list.push_back(compare(*group.systems[0], *group.systems[e], headline_metrics(),
                           group.protocol().resampling, pool));
  return list;
}

// Verdict, pictures and numbers of one group.
std::string group_section(const Group& group, bool only_data_set, SystemColours& colours,
                          ThreadPool& pool) {
  const std::string users = users_title(group.protocol().users);
  std::string html = fmt::format(
      "<h2>{}{}</h2>\n", html_escape(users),
      only_data_set
          ? ""
          : fmt::format(", data {}", html_escape(group.protocol().fingerprint.substr(0, 12))));
  for (const Evaluation* system : group.systems) colours.of(system->system);
  html += verdict_section(comparisons_of(group, pool), users, colours);
  if (group.systems.size() == 1)
    html +=
        fmt::format("<p>{} stands alone here: no other system was evaluated in the same way.</p>\n",
                    colours.label(group.systems.front()->system));
  html += metric_tables(group, colours) + "<div class=\"charts\">\n" +
          draw(recall_chart(group, colours));
  const bool known =
      !group.lengths.empty() &&
      std::ranges::none_of(group.lengths, [](const auto* of) { return of->empty(); });
  if (known) html += draw(length_chart(group, colours, pool));
  return html + "</div>\n" + protocol_paragraph(group);
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
  if (!report.history_lengths.empty() && report.history_lengths.size() != report.evaluations.size())
    throw ShapeError("html_report: history lengths of {} evaluations, expected {}",
                     report.history_lengths.size(), report.evaluations.size());
  SystemColours colours;
  std::string body;
  const std::vector<Group> groups = grouped(report);
  std::set<std::string> fingerprints;
  for (const Group& group : groups) fingerprints.insert(group.protocol().fingerprint);
  for (const Group& group : groups)
    body += group_section(group, fingerprints.size() == 1, colours, pool);
  for (const BeyondUtility& beyond : report.beyond) body += beyond_section(beyond, colours);
  body += training_section(report.runs, colours);
  return html_page(report.title, body, kGenerator);
}

}  // namespace tandem
