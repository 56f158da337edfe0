// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "eval/report/dot_plot.h"
#include "eval/report/page.h"
#include "eval/report/verdict_section.h"
#include "study/study.h"

namespace tandem {
namespace {

constexpr size_t kNdcg10 = 4, kRecall10 = 5;  // of study_metrics()

using Rows = std::vector<std::vector<std::string>>;
using Estimates = std::vector<std::vector<StudyEstimate>>;

std::string estimates_html(const StudyResult& result, const StudyTable& table,
                           const Estimates& estimates, const std::vector<size_t>& arms,
                           const char* users, SystemColours& colours) {
  Rows rows(1, {"metric"});
  for (const size_t a : arms) rows[0].push_back(colours.label(table.ranks.arms[a]));
  for (size_t m = 0; m < study_metrics().size(); ++m) {
    const std::string metric = study_metrics()[m].name();
    std::vector<std::string>& row = rows.emplace_back(1, metric);
    for (const size_t a : arms) {
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

// The arms side by side by one metric, the published figures as hollow marks.
std::string arms_plot(const StudyResult& result, const StudyTable& table,
                      const Estimates& estimates, const std::vector<size_t>& arms,
                      const char* users, size_t metric, SystemColours& colours) {
  const std::string name = study_metrics()[metric].name();
  const bool subset = std::string_view(users) == "subset";
  DotPlot plot{.title = name, .x_label = subset ? "retrieved users" : "all users"};
  bool published = false;
  for (const size_t a : arms) {
    const StudyEstimate& one = estimates[a][metric];
    const std::string& arm = table.ranks.arms[a];
    DotRow& row = plot.rows.emplace_back(DotRow{
        .label = arm, .colour = colours.of(arm), .value = one.mean, .interval = one.interval});
    const auto* figures = find_published(result.config.published, table.dataset, users, arm);
    if (figures == nullptr || !figures->contains(name)) continue;
    row.published = figures->at(name);
    published = true;
  }
  if (published) plot.x_label += "; hollow: published";
  return draw(plot);
}

// What the study says, as the comparison of two evaluations would.
std::vector<Comparison> comparisons_of(const StudyTable& table,
                                       std::vector<StudyDifference> StudyComparison::*users,
                                       const std::vector<std::vector<StudyEstimate>>& estimates) {
  std::vector<Comparison> list;
  for (const StudyComparison& one : table.statistics.comparisons) {
    const std::vector<StudyDifference>& differences = one.*users;
    if (differences.empty()) continue;
    Comparison& comparison = list.emplace_back();
    comparison.system_a = table.ranks.arms[one.baseline];
    comparison.system_b = table.ranks.arms[one.arm];
    for (const size_t m : {kNdcg10, kRecall10})
      comparison.metrics.push_back({.name = study_metrics()[m].name(),
                                    .a = estimates[one.baseline][m].mean,
                                    .b = estimates[one.arm][m].mean,
                                    .difference = differences[m].difference,
                                    .interval = differences[m].interval,
                                    .p_value = differences[m].p_value});
  }
  return list;
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

std::string seeds_html(const StudyTable& table, SystemColours& colours) {
  Rows rows(1, {"arm"});
  for (const int64_t seed : table.seeds) rows[0].push_back(fmt::format("seed {}", seed));
  for (size_t a = 0; a < table.ranks.arms.size(); ++a) {
    std::vector<std::string>& row = rows.emplace_back(1, colours.label(table.ranks.arms[a]));
    for (const double value : table.statistics.all[a][kNdcg10].per_seed)
      row.push_back(fmt::format("{:.4f}", value));
  }
  return "<h3>NDCG@10 of all users, seed by seed</h3>\n" + html_table(rows);
}

// Verdict, pictures and numbers of one set of users.
std::string users_html(const StudyResult& result, const StudyTable& table, bool subset,
                       const std::vector<size_t>& arms, SystemColours& colours) {
  const StudyStatistics& statistics = table.statistics;
  const Estimates& estimates = subset ? statistics.subset : statistics.all;
  const char* users = subset ? "subset" : "all";
  const auto differences = subset ? &StudyComparison::subset : &StudyComparison::all;
  std::string html = verdict_section(comparisons_of(table, differences, estimates),
                                     subset ? "retrieved users" : "all users", colours);
  html += "<div class=\"charts\">\n";
  for (const size_t metric : {kNdcg10, kRecall10})
    html += arms_plot(result, table, estimates, arms, users, metric, colours);
  return html + "</div>\n" + estimates_html(result, table, estimates, arms, users, colours);
}

std::string table_html(const StudyResult& result, const StudyTable& table, SystemColours& colours) {
  const StudyStatistics& statistics = table.statistics;
  std::vector<size_t> arms(table.ranks.arms.size());
  std::iota(arms.begin(), arms.end(), size_t{0});
  for (const std::string& arm : table.ranks.arms) colours.of(arm);
  std::string html = fmt::format("<h2>{}: all {} users</h2>\n", html_escape(table.dataset),
                                 table.ranks.num_users) +
                     users_html(result, table, false, arms, colours);
  if (!statistics.subset.empty()) {
    std::vector<int64_t> sizes;
    for (const auto& marks : table.ranks.subset)
      sizes.push_back(std::ranges::count(marks, uint8_t{1}));
    html += fmt::format("<h2>{}: users whose held-out item is among the candidates ({}{})</h2>\n",
                        html_escape(table.dataset), fmt::join(sizes, ", "),
                        sizes.size() > 1 ? ", seed by seed" : "");
    if (const std::string note = table.subset_note(); !note.empty())
      html += fmt::format("<p class=\"note\">{}</p>\n", html_escape(note));
    html += users_html(result, table, true, table.subset_arms(), colours);
  }
  html += fmt::format("<h2>{}: comparisons</h2>\n", html_escape(table.dataset));
  if (table.seeds.size() > 1) html += seeds_html(table, colours);
  for (const StudyComparison& one : statistics.comparisons) html += comparison_html(table, one);
  html += "<h3>What the arms read</h3>\n";
  for (const FairnessTable& seed : table.fairness)
    html += fmt::format("<details><summary>Seed {}</summary><pre>{}</pre></details>\n", seed.seed,
                        html_escape(fairness_text(seed)));
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
  std::string body;
  SystemColours colours;
  for (const StudyTable& table : tables) body += table_html(*this, table, colours);
  body += fmt::format("<p class=\"note\">{}.</p>\n", html_escape(recipe));
  if (!config.published_source.empty())
    body +=
        fmt::format("<p class=\"note\">Published: {}.</p>\n", html_escape(config.published_source));
  body += "<details><summary>The study's file</summary><pre>" + html_escape(config.text) +
          "</pre></details>\n";
  return html_page(config.title, body);
}

}  // namespace tandem
