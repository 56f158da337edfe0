// SPDX-License-Identifier: Apache-2.0
#include "eval/report/beyond_section.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/plural.h"
#include "eval/report/chart.h"

namespace tandem {
namespace {

std::string list_table(const std::vector<ListProfile>& profiles, SystemColours& colours) {
  std::vector<std::vector<std::string>> rows(1, {"of the lists"});
  for (const ListProfile& profile : profiles) rows[0].push_back(colours.label(profile.system));
  for (const ListMetric& metric : profiles.front().metrics) {
    std::vector<std::string>& row = rows.emplace_back(1, html_escape(metric.name));
    for (const ListProfile& profile : profiles) {
      const auto found = std::ranges::find(profile.metrics, metric.name, &ListMetric::name);
      std::string& cell = row.emplace_back();
      if (found == profile.metrics.end()) continue;
      cell = fmt::format("{:.4f}", found->value);
      if (found->interval)
        cell += fmt::format(" <small>[{:.4f}, {:.4f}]</small>", found->interval->low,
                            found->interval->high);
    }
  }
  return html_table(rows) +
         "<p class=\"note\">Coverage: share of the catalogue that anybody is shown; Gini: 0 when "
         "all items are shown equally often, 1 when one alone is; entropy of what is shown, bits; "
         "ARP: mean training interactions of a shown item; APLT, ACLT: share and number of a "
         "list's items from the long tail (outside the items with 80 % of the interactions); "
         "novelty: mean self-information of a shown item, bits; PopREO: 0 when popular and rare "
         "held-out items are found equally often.</p>\n";
}

std::string length_chart(const std::vector<LengthCurve>& curves, std::string title,
                         std::string x_label, SystemColours& colours) {
  Chart chart{
      .title = std::move(title), .x_label = std::move(x_label), .y_label = curves.front().metric};
  for (const LengthGroup& group : curves.front().groups)
    chart.x_names.push_back(length_name(group));
  for (const LengthCurve& curve : curves) {
    Series series{.name = curve.system, .colour = colours.of(curve.system)};
    for (size_t g = 0; g < curve.groups.size(); ++g) {
      series.x.push_back(static_cast<double>(g));
      series.y.push_back(curve.groups[g].value);
      series.low.push_back(curve.groups[g].interval.low);
      series.high.push_back(curve.groups[g].interval.high);
    }
    chart.series.push_back(std::move(series));
  }
  return draw(chart);
}

std::string position_charts(const PositionBias& bias, SystemColours& colours) {
  const size_t colour = colours.of(bias.system);
  Chart accuracy{.title = "Accuracy by the place of the truth",
                 .x_label = "place of the held-out item among the candidates",
                 .y_label = bias.system,
                 .series = {{.name = "NDCG@10", .colour = colour},
                            {.name = "Recall@1", .colour = colour, .dashed = true}}};
  Chart choices{.title = "First choices by place",
                .x_label = "place among the candidates",
                .y_label = bias.system + ", share of users",
                .series = {{.name = "first choice", .colour = colour},
                           {.name = "held-out item", .colour = kNeutralColour, .dashed = true}}};
  int64_t users = 0;
  for (const PositionRow& row : bias.rows) users += row.num_users;
  const auto add = [](Series& series, double x, double y, const Interval* interval) {
    series.x.push_back(x);
    series.y.push_back(y);
    if (interval == nullptr) return;
    series.low.push_back(interval->low);
    series.high.push_back(interval->high);
  };
  for (size_t place = 0; place < bias.rows.size(); ++place) {
    const PositionRow& row = bias.rows[place];
    const double x = static_cast<double>(place) + 1;
    add(choices.series[0], x, row.first_choices, nullptr);
    add(choices.series[1], x,
        static_cast<double>(row.num_users) / static_cast<double>(std::max<int64_t>(1, users)),
        nullptr);
    if (row.num_users == 0) continue;
    add(accuracy.series[0], x, row.ndcg10, &row.ndcg10_interval);
    add(accuracy.series[1], x, row.recall1, &row.recall1_interval);
  }
  return draw(accuracy) + draw(choices);
}

std::string generation_block(const GenerationQuality& quality) {
  std::string html = fmt::format(
      "<h3>Lists written by {}</h3>\n<p>{} users were asked for {} titles each. Format compliance "
      "<b>{:.1f} %</b>, {:.2f} titles a user; <b>{:.1f} %</b> of the titles are no item's "
      "(hallucinated), {:.1f} % are a candidate's, {:.1f} % stood in the list before. Recall@10 "
      "{:.4f}, NDCG@10 {:.4f}.</p>\n",
      html_escape(quality.system), quality.num_users, quality.list_size, 100 * quality.compliant,
      quality.titles_a_user, 100 * quality.hallucinated, 100 * quality.in_pool,
      100 * quality.repeated, quality.recall10, quality.ndcg10);
  for (const GenerationQuality::Sample& sample : quality.samples)
    html += fmt::format(
        "<details><summary>user {}</summary><pre>{}<mark>{}</mark></pre></details>\n",
        html_escape(sample.user), html_escape(sample.prompt), html_escape(sample.answer));
  return html;
}

// The prompt folded away; the candidates as bars, the truth marked.
std::string example_block(const RankingExample& example, bool open, SystemColours& colours) {
  double top = 0;
  for (const RankingExample::Candidate& candidate : example.candidates)
    top = std::max(top, candidate.probability);
  const bool letters = example.system == "letters";
  std::string html = fmt::format(
      "<details{}><summary>user "
      "{}</summary>\n<details><summary>{}</summary><pre>{}</pre></details>\n"
      "<div class=\"scroll\"><table class=\"example\"><tr><th>{}</th><th>candidate</th>"
      "<th>probability</th><th></th></tr>\n",
      open ? " open" : "", html_escape(example.user),
      letters ? "the prompt" : "the history as the model reads it", html_escape(example.prompt),
      letters ? "letter" : "place");
  for (size_t c = 0; c < example.candidates.size(); ++c) {
    const RankingExample::Candidate& candidate = example.candidates[c];
    const bool truth = static_cast<int64_t>(c) == example.answer;
    html += fmt::format(
        "<tr{}><td>{}</td><td>{}{}</td><td>{:.1f} %</td><td><span class=\"bar {}\" "
        "style=\"width:{:.0f}px\"></span></td></tr>\n",
        truth ? " class=\"truth\"" : "",
        candidate.letter.empty() ? fmt::format("{}", c + 1) : html_escape(candidate.letter),
        html_escape(candidate.title), truth ? " &#8592; held out" : "", 100 * candidate.probability,
        colour_class(colours.of(example.system)), top > 0 ? 100 * candidate.probability / top : 0);
  }
  return html + "</table></div></details>\n";
}

}  // namespace

std::string beyond_section(const BeyondUtility& beyond, SystemColours& colours) {
  std::string html = fmt::format("<h2>Beyond accuracy</h2>\n<p class=\"note\">{} ({}).</p>\n",
                                 counted(beyond.num_users, "user"),
                                 html_escape(users_text(beyond.protocol.users)));
  if (!beyond.lists.empty()) html += list_table(beyond.lists, colours);
  html += "<div class=\"charts\">\n";
  if (!beyond.shortened.empty())
    html += length_chart(beyond.shortened, "NDCG@10 with shortened histories",
                         "newest items that are shown to the model", colours);
  for (const PositionBias& bias : beyond.positions) html += position_charts(bias, colours);
  html += "</div>\n";
  for (const PositionBias& bias : beyond.positions)
    html += fmt::format(
        "<p class=\"note\">Place: each user's candidates once in random order (seed {}). A ranker "
        "without position bias chooses every place as often as the held-out item stands there; "
        "half the sum of the absolute differences is {:.4f}.</p>\n",
        bias.seed, bias.choice_distance);
  if (beyond.generation) html += generation_block(*beyond.generation);
  if (!beyond.examples.empty()) {
    html += fmt::format(
        "<h3>Examples ({})</h3>\n<p class=\"note\">Users at equal distances, "
        "whatever came out for them.</p>\n",
        html_escape(beyond.examples.front().system));
    for (size_t e = 0; e < beyond.examples.size(); ++e)
      html += example_block(beyond.examples[e], e == 0, colours);
  }
  return html;
}

}  // namespace tandem
