// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "eval/report/chart.h"
#include "study/study.h"

namespace tandem {
namespace {

constexpr const char* kStyle = R"(
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1060px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.2em; margin-top: 2em; } h3 { font-size: 1em; margin-top: 1.4em; }
table { border-collapse: collapse; } th, td { text-align: right; padding: .2em .8em; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; } td small { color: #666; } .note { color: #555; }
.scroll { overflow-x: auto; } code { font-size: 90%; }
.charts { display: flex; flex-wrap: wrap; gap: 12px; } svg { max-width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: #333; } svg .title { font-weight: 600; font-size: 13px; }
.grid { stroke: #e4e4e4; } .axis { stroke: #666; fill: none; } .line { fill: none; stroke-width: 1.8; }
)";

using Rows = std::vector<std::vector<std::string>>;

// Cells are HTML already; the first row is the head.
std::string html_table(const Rows& rows) {
  std::string html = "<div class=\"scroll\"><table>\n";
  for (size_t r = 0; r < rows.size(); ++r) {
    const char* tag = r == 0 ? "th" : "td";
    html += "<tr>";
    for (const std::string& cell : rows[r]) html += fmt::format("<{0}>{1}</{0}>", tag, cell);
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

std::string estimates_html(const StudyResult& result, const StudyTable& table,
                           const std::vector<std::vector<StudyEstimate>>& estimates,
                           const char* users) {
  Rows rows(1, {"metric"});
  for (const std::string& arm : table.ranks.arms) rows[0].push_back(html_escape(arm));
  for (size_t m = 0; m < study_metrics().size(); ++m) {
    const std::string metric = study_metrics()[m].name();
    std::vector<std::string>& row = rows.emplace_back(1, metric);
    for (size_t a = 0; a < table.ranks.arms.size(); ++a) {
      const StudyEstimate& one = estimates[a][m];
      std::string cell = fmt::format("{:.4f} <small>[{:.4f}, {:.4f}]", one.mean, one.interval.low,
                                     one.interval.high);
      if (one.per_seed.size() > 1) cell += fmt::format("<br>sd {:.4f}", one.sd);
      const auto* figures =
          find_published(result.config.published, table.dataset, users, table.ranks.arms[a]);
      if (figures != nullptr && figures->contains(metric))
        cell += fmt::format("<br>published {:.4f}", figures->at(metric));
      row.push_back(cell + "</small>");
    }
  }
  return html_table(rows);
}

// The arms side by side by one metric, the published figure as a second series.
std::string arms_chart(const StudyResult& result, const StudyTable& table,
                       const std::vector<std::vector<StudyEstimate>>& estimates, const char* users,
                       const char* title, size_t metric) {
  const std::string name = study_metrics()[metric].name();
  Chart chart{fmt::format("{}, {}", name, title), "", name, {}, false, true, table.ranks.arms};
  chart.connected = false;
  Series ours{"measured", {}, {}, {}, {}}, published{"published", {}, {}, {}, {}};
  for (size_t a = 0; a < table.ranks.arms.size(); ++a) {
    const StudyEstimate& one = estimates[a][metric];
    const auto x = static_cast<double>(a);
    ours.x.push_back(x);
    ours.y.push_back(one.mean);
    ours.low.push_back(one.interval.low);
    ours.high.push_back(one.interval.high);
    const auto* figures =
        find_published(result.config.published, table.dataset, users, table.ranks.arms[a]);
    if (figures == nullptr || !figures->contains(name)) continue;
    published.x.push_back(x);
    published.y.push_back(figures->at(name));
  }
  chart.series.push_back(std::move(ours));
  if (!published.x.empty()) chart.series.push_back(std::move(published));
  return draw(chart);
}

std::string comparison_html(const StudyTable& table, const StudyComparison& one) {
  std::string html = fmt::format("<h3>{} against {}</h3>\n", html_escape(table.ranks.arms[one.arm]),
                                 html_escape(table.ranks.arms[one.baseline]));
  Rows rows(1, {"metric", "difference, all users", "p"});
  if (!one.subset.empty()) rows[0].insert(rows[0].end(), {"difference, subset", "p"});
  const auto add = [](std::vector<std::string>& row, const StudyDifference& d) {
    const bool clear = d.interval.low > 0 || d.interval.high < 0;
    row.push_back(fmt::format("{0}{1:+.4f}{2} <small>[{3:+.4f}, {4:+.4f}]</small>",
                              clear ? "<b>" : "", d.difference, clear ? "</b>" : "", d.interval.low,
                              d.interval.high));
    row.push_back(fmt::format("{:.4f}", d.p_value));
  };
  for (size_t m = 0; m < one.all.size(); ++m) {
    std::vector<std::string>& row = rows.emplace_back(1, study_metrics()[m].name());
    add(row, one.all[m]);
    if (!one.subset.empty()) add(row, one.subset[m]);
  }
  html += html_table(rows);
  if (one.improvement)
    html += fmt::format(
        "<p>Average relative improvement over the six metrics of all users: <b>{:+.2f} %</b> "
        "[{:+.2f}, {:+.2f}].</p>\n",
        *one.improvement, one.improvement_interval.low, one.improvement_interval.high);
  return html;
}

std::string seeds_html(const StudyTable& table) {
  Rows rows(1, {"arm"});
  for (const int64_t seed : table.seeds) rows[0].push_back(fmt::format("seed {}", seed));
  constexpr size_t kNdcg10 = 4;
  for (size_t a = 0; a < table.ranks.arms.size(); ++a) {
    std::vector<std::string>& row = rows.emplace_back(1, html_escape(table.ranks.arms[a]));
    for (const double value : table.statistics.all[a][kNdcg10].per_seed)
      row.push_back(fmt::format("{:.4f}", value));
  }
  return "<h3>NDCG@10 of all users, seed by seed</h3>\n" + html_table(rows);
}

std::string table_html(const StudyResult& result, const StudyTable& table) {
  const StudyStatistics& statistics = table.statistics;
  std::string html =
      fmt::format("<h2>{}</h2>\n<div class=\"charts\">\n", html_escape(table.dataset));
  constexpr size_t kNdcg10 = 4, kRecall10 = 5;
  html += arms_chart(result, table, statistics.all, "all", "all users", kNdcg10);
  if (statistics.subset.empty()) {
    html += arms_chart(result, table, statistics.all, "all", "all users", kRecall10);
  } else {
    html += arms_chart(result, table, statistics.subset, "subset", "subset", kNdcg10);
  }
  html += "</div>\n" + fmt::format("<h3>All {} users</h3>\n", table.ranks.num_users) +
          estimates_html(result, table, statistics.all, "all");
  if (!statistics.subset.empty()) {
    std::vector<int64_t> sizes;
    for (const auto& marks : table.ranks.subset)
      sizes.push_back(std::ranges::count(marks, uint8_t{1}));
    html += fmt::format(
                "<h3>Users whose held-out item is among the candidates ({}, seed by seed)</h3>\n",
                fmt::join(sizes, ", ")) +
            estimates_html(result, table, statistics.subset, "subset");
  }
  if (table.seeds.size() > 1) html += seeds_html(table);
  for (const StudyComparison& one : statistics.comparisons) html += comparison_html(table, one);
  html += "<h3>What the arms read</h3>\n";
  for (const FairnessTable& seed : table.fairness)
    html += "<pre>" + html_escape(fairness_text(seed)) + "</pre>\n";
  if (!table.differing_settings.empty()) {
    html += "<p class=\"note\">Settings of the rankers that differ:";
    for (const std::string& line : table.differing_settings)
      html += fmt::format("<br>{}", html_escape(line));
    html += "</p>\n";
  }
  return html;
}

}  // namespace

std::string StudyResult::html() const {
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n<style>{1}</style></head><body>\n"
      "<h1>{0}</h1>\n",
      html_escape(config.title), kStyle);
  for (const StudyTable& table : tables) html += table_html(*this, table);
  html += fmt::format("<p class=\"note\">{}.</p>\n", html_escape(recipe));
  if (!config.published_source.empty())
    html +=
        fmt::format("<p class=\"note\">Published: {}.</p>\n", html_escape(config.published_source));
  return html + "<details><summary>The study's file</summary><pre>" + html_escape(config.text) +
         "</pre></details>\n</body></html>\n";
}

}  // namespace tandem
