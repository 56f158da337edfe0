// SPDX-License-Identifier: Apache-2.0
#include "eval/report/beyond_section.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "eval/report/chart.h"

namespace tandem {
namespace {

std::string list_table(const std::vector<ListProfile>& profiles) {
  std::string html = "<table><tr><th>of the lists</th>";
  for (const ListProfile& profile : profiles)
    html += fmt::format("<th>{}</th>", html_escape(profile.system));
  html += "</tr>\n";
  for (const ListMetric& row : profiles.front().metrics) {
    html += fmt::format("<tr><td>{}</td>", html_escape(row.name));
    for (const ListProfile& profile : profiles) {
      const auto found = std::ranges::find(profile.metrics, row.name, &ListMetric::name);
      if (found == profile.metrics.end()) {
        html += "<td></td>";
        continue;
      }
      html += fmt::format("<td>{:.4f}", found->value);
      if (found->interval)
        html += fmt::format(" <small>[{:.4f}, {:.4f}]</small>", found->interval->low,
                            found->interval->high);
      html += "</td>";
    }
    html += "</tr>\n";
  }
  return html +
         "</table>\n<p class=\"note\">coverage: share of the catalogue that anybody is shown; "
         "Gini: "
         "0 when all items are shown equally often, 1 when one alone is; entropy of what is shown, "
         "bits; ARP: mean training interactions of a shown item; APLT, ACLT: share and number of a "
         "list's items from the long tail (outside the items with 80 % of the interactions); "
         "novelty: mean self-information of a shown item, bits; PopREO: 0 when popular and rare "
         "held-out items are found equally often.</p>\n";
}

std::string length_chart(const std::vector<LengthCurve>& curves, std::string title,
                         std::string x_label) {
  Chart chart{std::move(title), std::move(x_label), curves.front().metric, {}, false, true, {}};
  for (const LengthGroup& group : curves.front().groups)
    chart.x_names.push_back(length_name(group));
  for (const LengthCurve& curve : curves) {
    Series series{curve.system, {}, {}, {}, {}};
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

std::string position_charts(const PositionBias& bias) {
  Chart accuracy{"Accuracy by the place of the truth (" + bias.system + ")",
                 "place of the held-out item among the candidates",
                 "metric",
                 {{"Recall@1", {}, {}, {}, {}}, {"NDCG@10", {}, {}, {}, {}}},
                 false,
                 true,
                 {}};
  Chart choices{"First choices by place (" + bias.system + ")",
                "place among the candidates",
                "share of users",
                {{"first choice", {}, {}, {}, {}}, {"held-out item", {}, {}, {}, {}}},
                false,
                true,
                {}};
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
    add(accuracy.series[0], x, row.recall1, &row.recall1_interval);
    add(accuracy.series[1], x, row.ndcg10, &row.ndcg10_interval);
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
std::string example_block(const RankingExample& example, bool open) {
  double top = 0;
  for (const RankingExample::Candidate& candidate : example.candidates)
    top = std::max(top, candidate.probability);
  std::string html = fmt::format(
      "<details{}><summary>user "
      "{}</summary>\n<details><summary>{}</summary><pre>{}</pre></details>\n"
      "<table "
      "class=\"example\"><tr><th>{}</th><th>candidate</th><th>probability</th><th></th></tr>\n",
      open ? " open" : "", html_escape(example.user),
      example.system == "letters" ? "the prompt" : "the history as the model reads it",
      html_escape(example.prompt), example.system == "letters" ? "letter" : "place");
  for (size_t c = 0; c < example.candidates.size(); ++c) {
    const RankingExample::Candidate& candidate = example.candidates[c];
    const bool truth = static_cast<int64_t>(c) == example.answer;
    html += fmt::format(
        "<tr{}><td>{}</td><td>{}{}</td><td>{:.1f} %</td><td><span class=\"bar\" "
        "style=\"width:{:.0f}px\"></span></td></tr>\n",
        truth ? " class=\"truth\"" : "",
        candidate.letter.empty() ? fmt::format("{}", c + 1) : html_escape(candidate.letter),
        html_escape(candidate.title), truth ? " &#8592; held out" : "", 100 * candidate.probability,
        top > 0 ? 160 * candidate.probability / top : 0);
  }
  return html + "</table></details>\n";
}

}  // namespace

std::string beyond_section(const BeyondUtility& beyond) {
  std::string html = fmt::format("<p class=\"note\">{} users ({}).</p>\n", beyond.num_users,
                                 html_escape(beyond.protocol.users));
  if (!beyond.lists.empty()) html += list_table(beyond.lists);
  html += "<div class=\"charts\">\n";
  if (!beyond.shortened.empty())
    html += length_chart(beyond.shortened, "NDCG@10 with shortened histories",
                         "newest items that are shown to the model");
  for (const PositionBias& bias : beyond.positions) html += position_charts(bias);
  html += "</div>\n";
  for (const PositionBias& bias : beyond.positions)
    html += fmt::format(
        "<p class=\"note\">Place: each user's candidates once in random order (seed {}). A ranker "
        "without position bias chooses every place as often as the held-out item stands there; "
        "half "
        "the sum of the absolute differences is {:.4f}.</p>\n",
        bias.seed, bias.choice_distance);
  if (beyond.generation) html += generation_block(*beyond.generation);
  if (!beyond.examples.empty()) {
    html += fmt::format(
        "<h3>Examples ({})</h3>\n<p class=\"note\">Users at equal distances, "
        "whatever came out for them.</p>\n",
        html_escape(beyond.examples.front().system));
    for (size_t e = 0; e < beyond.examples.size(); ++e)
      html += example_block(beyond.examples[e], e == 0);
  }
  return html;
}

}  // namespace tandem
