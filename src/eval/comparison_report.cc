// SPDX-License-Identifier: Apache-2.0
#include "eval/comparison_report.h"

#include <fmt/format.h>

#include "eval/report/chart.h"

namespace tandem {
namespace {

constexpr const char* kStyle = R"(
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 900px; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; } th, td { text-align: right; padding: .2em .8em; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; } td small, .note { color: #555; } h1 { font-size: 1.4em; }
)";
constexpr const char* kPictureStyle = R"(
svg { max-width: 100%; height: auto; } svg text, text { font: 12px system-ui, sans-serif; fill: #333; }
.title { font-weight: 600; font-size: 13px; } .grid { stroke: #e4e4e4; } .axis { stroke: #666; fill: none; }
.line { fill: none; stroke-width: 1.8; }
)";

std::string verdict(const MetricComparison& metric) {
  if (metric.winner() == 0) return "no clear difference";
  return metric.winner() > 0 ? "B is better" : "A is better";
}

// One series a kind of metric, the cut-offs as categories.
std::string chart_of(const Comparison& comparison) {
  Chart chart{fmt::format("{} - {}, with intervals", comparison.system_b, comparison.system_a),
              "cut-off K",
              "difference",
              {},
              false,
              true,
              {}};
  chart.connected = false;
  for (const MetricComparison& metric : comparison.metrics) {
    const size_t at = metric.name.find('@');
    const std::string kind = metric.name.substr(0, at), cutoff = metric.name.substr(at + 1);
    if (chart.series.empty() || chart.series.back().name != kind)
      chart.series.push_back({kind, {}, {}, {}, {}});
    Series& series = chart.series.back();
    const size_t place = series.x.size();
    if (place == chart.x_names.size()) chart.x_names.push_back(cutoff);
    // Beside each other, not upon each other.
    series.x.push_back(static_cast<double>(place) +
                       0.12 * (static_cast<double>(chart.series.size()) - 2));
    series.y.push_back(metric.difference);
    series.low.push_back(metric.interval.low);
    series.high.push_back(metric.interval.high);
  }
  return draw(chart);
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
  std::string text =
      fmt::format("A  {}  ({})\nB  {}  ({})\nA: {}\nB: {}\n", comparison.system_a, context.folder_a,
                  comparison.system_b, context.folder_b, a.describe(), b.describe());
  text += fmt::format("{} users, {} of them with another rank; {} resamples, seed {}\n\n",
                      comparison.num_users, comparison.num_differing, context.options.resamples,
                      context.options.seed);
  text += fmt::format("{:<12} {:>8} {:>8} {:>9}  {:<20} {:>8}  {}\n", "metric", "A", "B", "B - A",
                      fmt::format("{:g} % interval", 100 * context.options.level), "p", "");
  for (const MetricComparison& metric : comparison.metrics) {
    const std::string interval =
        fmt::format("[{:+.4f}, {:+.4f}]", metric.interval.low, metric.interval.high);
    text += fmt::format("{:<12} {:>8.4f} {:>8.4f} {:>+9.4f}  {:<20} {:>8.4f}  {}\n", metric.name,
                        metric.a, metric.b, metric.difference, interval, metric.p_value,
                        verdict(metric));
  }
  return text;
}

std::string comparison_picture(const Comparison& comparison) {
  std::string svg = chart_of(comparison);
  const size_t open = svg.find('>');
  return "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n" +
         fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\"{}><style>{}</style>{}",
                     svg.substr(4, open - 4), kPictureStyle, svg.substr(open + 1));
}

std::string comparison_page(const ComparisonContext& context, const Comparison& comparison) {
  const std::string title = fmt::format("{} against {}", html_escape(comparison.system_b),
                                        html_escape(comparison.system_a));
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\n"
      "<style>{1}{2}</style></head><body>\n<h1>{0}</h1>\n{3}"
      "<table><tr><th>metric</th><th>A</th><th>B</th><th>B - A</th><th>p</th><th></th></tr>\n",
      title, kStyle, kPictureStyle, chart_of(comparison));
  for (const MetricComparison& metric : comparison.metrics)
    html += fmt::format(
        "<tr><td>{}</td><td>{:.4f}</td><td>{:.4f}</td><td>{:+.4f} <small>[{:+.4f}, "
        "{:+.4f}]</small></td>"
        "<td>{:.4f}</td><td>{}</td></tr>\n",
        metric.name, metric.a, metric.b, metric.difference, metric.interval.low,
        metric.interval.high, metric.p_value, verdict(metric));
  html += "</table>\n";
  const auto side = [&](const char* name, const std::string& folder, const Evaluation& evaluation) {
    html += fmt::format("<p class=\"note\"><b>{}</b> {} ({}): {}.</p>\n", name,
                        html_escape(evaluation.system), html_escape(folder),
                        html_escape(evaluation.describe()));
  };
  side("A", context.folder_a, context.a);
  side("B", context.folder_b, context.b);
  return html + fmt::format(
                    "<p class=\"note\">{} users, {} of them with another rank. Paired bootstrap "
                    "({:g} % intervals) and "
                    "sign flips, {} resamples, seed {}.</p>\n</body></html>\n",
                    comparison.num_users, comparison.num_differing, 100 * context.options.level,
                    context.options.resamples, context.options.seed);
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
