// SPDX-License-Identifier: Apache-2.0
#include "eval/comparison_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/plural.h"
#include "eval/report/dot_plot.h"
#include "eval/report/page.h"
#include "eval/summary.h"

namespace tandem {
namespace {

std::string better_side(const MetricComparison& metric) {
  if (metric.winner() == 0) return "no clear difference";
  return metric.winner() > 0 ? "B is better" : "A is better";
}

// Colours as the page gives them: A has the first, B the second. Two runs of one model may have one
// name.
constexpr size_t kColourB = 1;

std::string chart_of(const Comparison& comparison) {
  DotPlot plot{.title = fmt::format("{} minus {}", comparison.system_b, comparison.system_a),
               .x_label = fmt::format("difference, {}", counted(comparison.num_users, "user")),
               .rows = {},
               .differences = true};
  for (const MetricComparison& metric : comparison.metrics)
    plot.rows.push_back({.label = metric.name,
                         .colour = kColourB,
                         .value = metric.difference,
                         .interval = metric.interval});
  return draw(plot);
}

// The metric that the verdict speaks of: NDCG@10, or else the last one, NDCG at the largest
// cut-off.
const MetricComparison& headline(const Comparison& comparison) {
  const auto found = std::ranges::find(comparison.metrics, headline_metrics().front().name(),
                                       &MetricComparison::name);
  return found == comparison.metrics.end() ? comparison.metrics.back() : *found;
}

std::string verdict_of(const Comparison& comparison) {
  const bool same = comparison.system_a == comparison.system_b;
  const std::string b = same ? comparison.system_b + " (B)" : comparison.system_b;
  const std::string a = same ? comparison.system_a + " (A)" : comparison.system_a;
  return verdict(a, b, headline(comparison));
}

}  // namespace

Json comparison_json(const ComparisonContext& context, const Comparison& comparison) {
  Json metrics = Json::array();
  for (const MetricComparison& metric : comparison.metrics) {
    const int winner = metric.winner();
    metrics.push_back(Json{{"name", metric.name},
                           {"a", metric.a},
                           {"b", metric.b},
                           {"difference", metric.difference},
                           {"interval", Json::array({metric.interval.low, metric.interval.high})},
                           {"p_value", metric.p_value},
                           {"better", winner == 0 ? Json(nullptr) : Json(winner > 0 ? "b" : "a")}});
  }
  return {{"a", Json{{"folder", context.folder_a}, {"system", comparison.system_a}}},
          {"b", Json{{"folder", context.folder_b}, {"system", comparison.system_b}}},
          {"split", context.a.protocol.split},
          {"dataset_fingerprint", context.a.protocol.fingerprint},
          {"candidate_set", context.a.protocol.candidate_set},
          {"users", comparison.num_users},
          {"users_with_another_rank", comparison.num_differing},
          {"seed", context.options.seed},
          {"resamples", context.options.resamples},
          {"interval_level", context.options.level},
          {"metrics", metrics}};
}

std::string comparison_text(const ComparisonContext& context, const Comparison& comparison) {
  const Evaluation &a = context.a, &b = context.b;
  std::string text = wrapped(verdict_of(comparison)) + '\n';
  text += fmt::format("A  {}  ({})\nB  {}  ({})\n", comparison.system_a, context.folder_a,
                      comparison.system_b, context.folder_b);
  text += wrapped("A: " + a.describe()) + wrapped("B: " + b.describe());
  text += wrapped(fmt::format("{}, {} of them with another rank; {} resamples, seed {}",
                              counted(comparison.num_users, "user"), comparison.num_differing,
                              context.options.resamples, context.options.seed));
  text += fmt::format("\n{:<10}{:>8}{:>8}{:>9}  {:<18}{:>8}\n", "metric", "A", "B", "B - A",
                      fmt::format("{:g} % interval", 100 * context.options.level), "p");
  for (const MetricComparison& metric : comparison.metrics) {
    const std::string interval =
        fmt::format("[{:+.4f}, {:+.4f}]", metric.interval.low, metric.interval.high);
    text += fmt::format("{:<10}{:>8.4f}{:>8.4f}{:>+9.4f}  {:<18}{:>8.4f}  {}\n", metric.name,
                        metric.a, metric.b, metric.difference, interval, metric.p_value,
                        metric.winner() == 0 ? "not clear" : better_side(metric));
  }
  return text;
}

std::string comparison_picture(const Comparison& comparison) {
  std::string svg = chart_of(comparison);
  const size_t open = svg.find('>');
  return "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n" +
         fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\"{}><style>{}</style>{}",
                     svg.substr(4, open - 4), picture_style(), svg.substr(open + 1));
}

std::string comparison_page(const ComparisonContext& context, const Comparison& comparison) {
  const Evaluation &a = context.a, &b = context.b;
  const auto name = [](const char* side, const std::string& system, size_t colour) {
    return fmt::format("<span class=\"key {}\"></span>{}: {}", colour_class(colour), side,
                       html_escape(system));
  };
  std::vector<std::vector<std::string>> rows(
      1, {"metric", name("A", a.system, 0), name("B", b.system, kColourB), "B - A", "p", ""});
  for (const MetricComparison& metric : comparison.metrics)
    rows.push_back({metric.name, fmt::format("{:.4f}", metric.a), fmt::format("{:.4f}", metric.b),
                    fmt::format("{:+.4f} <small>[{:+.4f}, {:+.4f}]</small>", metric.difference,
                                metric.interval.low, metric.interval.high),
                    fmt::format("{:.4f}", metric.p_value), better_side(metric)});
  const Evaluation& tied = a.num_tied() >= b.num_tied() ? a : b;
  const std::string body = fmt::format(
      "<p class=\"verdict\">{}.</p>\n<div class=\"charts\">{}</div>\n{}"
      "<p class=\"note\">A is {}, B is {}. {}. {}, {} of them with another rank. Paired "
      "bootstrap ({:g} % intervals) and sign flips, {} resamples, seed {}.</p>\n",
      html_escape(verdict_of(comparison)), chart_of(comparison), html_table(rows),
      html_escape(context.folder_a), html_escape(context.folder_b), html_escape(tied.describe()),
      counted(comparison.num_users, "user"), comparison.num_differing, 100 * context.options.level,
      context.options.resamples, context.options.seed);
  return html_page(fmt::format("{} against {}", comparison.system_b, comparison.system_a), body);
}

const OutputKind kComparisonFolder = {
    .name = "a comparison",
    .recognises =
        [](const fs::path& folder) { return json_file_has(folder / "comparison.json", "metrics"); },
    .files = {"comparison.json", "comparison.svg", "comparison.html"}};

void write_comparison(const Output& output, const ComparisonContext& context,
                      const Comparison& comparison) {
  StagedFolder staged(output);
  write_json(staged.path() / "comparison.json", comparison_json(context, comparison));
  write_file(staged.path() / "comparison.svg", comparison_picture(comparison));
  write_file(staged.path() / "comparison.html", comparison_page(context, comparison));
  staged.commit();
}

}  // namespace tandem
