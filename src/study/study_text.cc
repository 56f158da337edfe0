// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "study/study.h"

namespace tandem {
namespace {

// Columns as wide as they need; the first is left-aligned like all others.
std::string aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) line += fmt::format("{:<{}}", row[c], widths[c] + 2);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line;
    text += '\n';
  }
  return text;
}

std::string estimates_text(const StudyResult& result, const StudyTable& table,
                           const std::vector<std::vector<StudyEstimate>>& estimates,
                           const std::vector<size_t>& arms, const char* users) {
  std::vector<std::vector<std::string>> rows(1, {"metric"});
  for (const size_t a : arms) rows[0].push_back(table.ranks.arms[a]);
  for (size_t m = 0; m < study_metrics().size(); ++m) {
    const std::string metric = study_metrics()[m].name();
    std::vector<std::string> first = {metric}, second = {""};
    bool more = false;
    for (const size_t a : arms) {
      const StudyEstimate& one = estimates[a][m];
      first.push_back(
          fmt::format("{:.4f} [{:.4f}, {:.4f}]", one.mean, one.interval.low, one.interval.high));
      std::vector<std::string> notes;
      if (one.per_seed.size() > 1) notes.push_back(fmt::format("sd {:.4f}", one.sd));
      const auto* figures =
          find_published(result.config.published, table.dataset, users, table.ranks.arms[a]);
      if (figures != nullptr && figures->contains(metric))
        notes.push_back(fmt::format("published {:.4f}", figures->at(metric)));
      more = more || !notes.empty();
      second.push_back(fmt::format("{}", fmt::join(notes, ", ")));
    }
    rows.push_back(std::move(first));
    if (more) rows.push_back(std::move(second));
  }
  return aligned(rows);
}

std::string comparison_text(const StudyTable& table, const StudyComparison& one) {
  std::string text =
      fmt::format("{} - {}\n", table.ranks.arms[one.arm], table.ranks.arms[one.baseline]);
  std::vector<std::vector<std::string>> rows(1, {"  metric", "all users", "p"});
  if (!one.subset.empty()) rows[0].insert(rows[0].end(), {"subset", "p"});
  const auto add = [](std::vector<std::string>& row, const StudyDifference& d) {
    row.push_back(fmt::format("{:+.4f} [{:+.4f}, {:+.4f}]{}", d.difference, d.interval.low,
                              d.interval.high,
                              d.interval.low > 0 || d.interval.high < 0 ? " *" : ""));
    row.push_back(fmt::format("{:.4f}", d.p_value));
  };
  for (size_t m = 0; m < one.all.size(); ++m) {
    std::vector<std::string>& row =
        rows.emplace_back(1, fmt::format("  {}", study_metrics()[m].name()));
    add(row, one.all[m]);
    if (!one.subset.empty()) add(row, one.subset[m]);
  }
  text += aligned(rows);
  if (!one.improvement)
    return text + "  average relative improvement: not defined, a metric of the baseline is 0\n";
  text +=
      fmt::format("  average relative improvement: {:+.2f} % [{:+.2f}, {:+.2f}]", *one.improvement,
                  one.improvement_interval.low, one.improvement_interval.high);
  if (table.seeds.size() > 1) {
    std::vector<std::string> seeds;
    for (size_t s = 0; s < table.seeds.size(); ++s)
      seeds.push_back(std::isnan(one.improvement_per_seed[s])
                          ? "undefined"
                          : fmt::format("{:+.2f}", one.improvement_per_seed[s]));
    text += fmt::format("; by seed {}", fmt::join(seeds, ", "));
  }
  return text + "\n";
}

}  // namespace

std::string StudyResult::text() const {
  std::string text = fmt::format("{}\n\nWhat the arms read\n", config.title);
  for (const StudyTable& table : tables) {
    for (const FairnessTable& seed : table.fairness) text += fairness_text(seed);
    for (const std::string& line : table.differing_settings)
      text += fmt::format("  ranker setting that differs: {}\n", line);
  }
  for (const StudyTable& table : tables) {
    std::vector<size_t> arms(table.ranks.arms.size());
    std::iota(arms.begin(), arms.end(), size_t{0});
    text += fmt::format("\n== {} ==\n\nAll {} users\n{}", table.dataset, table.ranks.num_users,
                        estimates_text(*this, table, table.statistics.all, arms, "all"));
    if (!table.statistics.subset.empty()) {
      std::vector<int64_t> sizes;
      for (const auto& marks : table.ranks.subset)
        sizes.push_back(std::ranges::count(marks, uint8_t{1}));
      text += fmt::format(
          "\nSubset: users whose held-out item is among the candidates ({} users, seed by "
          "seed)\n{}",
          fmt::join(sizes, ", "),
          estimates_text(*this, table, table.statistics.subset, table.subset_arms(), "subset"));
      if (const std::string note = table.subset_note(); !note.empty()) text += note + "\n";
    }
    for (const StudyComparison& one : table.statistics.comparisons)
      text += fmt::format("\n{}", comparison_text(table, one));
  }
  text += fmt::format("\n{}\n", recipe);
  const bool compared = std::ranges::any_of(
      tables, [](const StudyTable& table) { return !table.statistics.comparisons.empty(); });
  if (compared)
    text +=
        "* the interval of the difference does not hold 0. Average relative improvement: the mean "
        "over the six\n  metrics of all users of (arm - baseline) / baseline, of the means over "
        "seeds.\n";
  if (!config.published_source.empty())
    text += fmt::format("published: {}\n", config.published_source);
  return text;
}

}  // namespace tandem
