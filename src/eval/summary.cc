// SPDX-License-Identifier: Apache-2.0
#include "eval/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/error.h"

namespace tandem {
namespace {

constexpr std::string_view kRecall = "Recall@", kNdcg = "NDCG@";

// The result called `kind`10, else the one of the largest cut-off; they come in rising order.
template <typename Result>
const Result& at_summary_cutoff(const std::vector<Result>& results, std::string_view kind) {
  const Result* chosen = nullptr;
  for (const Result& result : results) {
    if (!std::string_view(result.name).starts_with(kind)) continue;
    chosen = &result;
    if (result.name == fmt::format("{}10", kind)) break;
  }
  if (chosen == nullptr) throw ShapeError("no {}K among {} metrics", kind, results.size());
  return *chosen;
}

std::string with_interval(const MetricResult& metric) {
  return fmt::format("{:.4f} [{:.4f}, {:.4f}]", metric.value, metric.interval.low,
                     metric.interval.high);
}

}  // namespace

std::string summary_table(std::span<const Evaluation> systems) {
  if (systems.empty()) return "";
  size_t width = 0;
  for (const Evaluation& system : systems) width = std::max(width, system.system.size());
  std::string table = fmt::format("{:<{}}  {:<23}  {}\n", "", width,
                                  at_summary_cutoff(systems.front().metrics, kRecall).name,
                                  at_summary_cutoff(systems.front().metrics, kNdcg).name);
  for (const Evaluation& system : systems)
    table += fmt::format("{:<{}}  {:<23}  {}\n", system.system, width,
                         with_interval(at_summary_cutoff(system.metrics, kRecall)),
                         with_interval(at_summary_cutoff(system.metrics, kNdcg)));
  return table;
}

std::string_view verdict_words(const MetricComparison& metric) {
  return metric.winner() > 0 ? "better" : metric.winner() < 0 ? "worse" : "no clear difference";
}

std::string verdict_line(const Comparison& comparison) {
  const MetricComparison& metric = at_summary_cutoff(comparison.metrics, kNdcg);
  return fmt::format("{} against {}: {} {:+.4f} [{:+.4f}, {:+.4f}], {}", comparison.system_b,
                     comparison.system_a, metric.name, metric.difference, metric.interval.low,
                     metric.interval.high, verdict_words(metric));
}

std::string protocol_paragraph(std::span<const Evaluation> systems) {
  if (systems.empty()) return "";
  const Evaluation& first = systems.front();
  std::string tied, excluded, unknown;
  for (const Evaluation& system : systems) {
    tied += fmt::format("{}{} {}", tied.empty() ? "" : ", ", system.system, system.num_tied());
    if (excluded.empty()) excluded = system.excluded_sentence();
    if (unknown.empty()) unknown = system.unknown_sentence();
  }
  for (std::string* sentence : {&excluded, &unknown})
    if (!sentence->empty()) *sentence += ". ";
  return fmt::format(
      "{}; held-out items tied, of {}: {}. {}{}{} resamples, seed {}; data set {}, tandem {}.",
      first.protocol.describe(), first.num_users(), tied, excluded, unknown,
      first.protocol.resampling.resamples, first.protocol.resampling.seed,
      first.protocol.fingerprint.substr(0, 16), first.protocol.version);
}

std::string wrapped(std::string_view text, size_t width) {
  std::string result;
  size_t column = 0;
  while (!text.empty()) {
    const size_t begin = text.find_first_not_of(" \n");
    if (begin == std::string_view::npos) break;
    text.remove_prefix(begin);
    const std::string_view word = text.substr(0, text.find_first_of(" \n"));
    text.remove_prefix(word.size());
    if (column > 0 && column + 1 + word.size() > width) {
      result += '\n';
      column = 0;
    }
    if (column > 0) result += ' ';
    column += (column > 0 ? 1 : 0) + word.size();
    result += word;
  }
  return result + "\n";
}

}  // namespace tandem
