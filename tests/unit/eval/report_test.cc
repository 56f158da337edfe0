// SPDX-License-Identifier: Apache-2.0
#include "eval/report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/error.h"
#include "eval/report/chart.h"
#include "eval/report/dot_plot.h"
#include "eval/report/page.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(AxisTicks, AreRoundAndHoldTheRange) {
  EXPECT_THAT(axis_ticks(0, 1, 5), ElementsAre(0, 0.2, 0.4, testing::DoubleEq(0.6), 0.8, 1));
  EXPECT_THAT(axis_ticks(3, 47, 5), ElementsAre(0, 10, 20, 30, 40, 50));
  EXPECT_EQ(axis_ticks(7, 7, 5).size() >= 2, true);  // an axis needs a length
}

TEST(HtmlEscape, LeavesNoMarkup) {
  EXPECT_EQ(html_escape("<b a=\"x\">'&'</b>"),
            "&lt;b a=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/b&gt;");
}

TEST(Chart, ValuesThatAreNotFiniteAreLeftOut) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Chart chart{.title = "t", .x_label = "x", .y_label = "y"};
  chart.series = {{.name = "a", .x = {1, 2, 3}, .y = {1, nan, 2}}};
  const std::string svg = draw(chart);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  // x 1..3 and y 0..2 between the axes.
  EXPECT_THAT(svg, HasSubstr("d=\"M52.0 135.0L346.0 44.0\""));
  chart.series[0].y = {nan, nan, nan};
  EXPECT_THAT(draw(chart), HasSubstr("no values"));
}

TEST(Chart, ALegendThatIsTooLongGetsMoreRows) {
  Chart chart{.title = "t", .x_label = "x", .y_label = "y"};
  for (const char* name : {"a system of a long name", "another one of a long name", "c"})
    chart.series.push_back({.name = name, .x = {1}, .y = {1}});
  EXPECT_THAT(draw(chart), HasSubstr("viewBox=\"0 0 360 308\""));  // 268 + 4 + 2 rows of 18
}

TEST(DotPlot, DotsAndIntervalsStandWhereTheyShould) {
  DotPlot plot{.title = "t", .x_label = "x", .rows = {}, .differences = true};
  EXPECT_THAT(draw(plot), HasSubstr("no values"));
  plot.rows = {{.label = "<b>", .colour = 3, .value = 0.25, .interval = {-0.25, 0.5}},
               {.label = "c", .colour = 9, .value = 0.5, .interval = {0.5, 0.75}}};
  const std::string svg = draw(plot);
  // Ticks from -0.5 to 1 in steps of 0.5 over 10..350, so 0 is at 123.3, 0.25 at 180.
  EXPECT_THAT(svg, HasSubstr("class=\"zero\" x1=\"123.3\""));
  EXPECT_THAT(svg, HasSubstr("d=\"M66.7 52H236.7\"/><circle cx=\"180.0\" cy=\"52\""));
  EXPECT_THAT(svg, HasSubstr("&lt;b&gt;"));
  EXPECT_THAT(svg, HasSubstr("+0.2500"));
  EXPECT_THAT(svg, HasSubstr("<g class=\"c3\""));
  EXPECT_THAT(svg, HasSubstr("<g class=\"c1\""));  // there are eight colours
  plot = {.title = "t",
          .x_label = "x",
          .rows = {{.label = "a", .value = 0.5, .interval = {0.4, 0.6}, .published = 1.0}}};
  const std::string values = draw(plot);
  EXPECT_THAT(values, Not(HasSubstr("zero")));
  EXPECT_THAT(values, HasSubstr("d=\"M350.0 47l5 5l-5 5l-5 -5z\""));  // the axis ends at 1
}

Evaluation evaluation(const std::string& system, const std::vector<int32_t>& ranks,
                      const Protocol& protocol = {}) {
  ThreadPool pool(1);
  RankList list;
  for (size_t u = 0; u < ranks.size(); ++u)
    list.add(static_cast<int64_t>(u), static_cast<int32_t>(u + 1), {ranks[u], false});
  const auto name = [](int64_t id) { return std::to_string(id); };
  return evaluate_ranks(system, protocol, list, name, name, pool);
}

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(Report, ShowsMetricsCurvesAndNothingFromOutside) {
  ThreadPool pool(1);
  Report report{
      .title = "A & B",
      .runs = {{.name = "run",
                .lines = {Json{{"step", 1}, {"loss", 2.5}}, Json{{"step", 2}, {"loss", 2.0}}}}},
      .evaluations = {evaluation("<lrurec>", {1, 0, 20})},
      .history_lengths = {{4, 9, 9}}};
  const std::string html = html_report(report, pool);
  EXPECT_THAT(html, HasSubstr("A &amp; B"));
  EXPECT_THAT(html, HasSubstr("<td>Recall@1</td><td>0.3333"));
  EXPECT_THAT(html, HasSubstr("&lt;lrurec&gt;"));
  EXPECT_THAT(html, HasSubstr("stands alone here"));
  EXPECT_THAT(html, HasSubstr(">4</text>"));  // the two groups of histories
  EXPECT_THAT(html, HasSubstr(">5-9</text>"));
  EXPECT_THAT(html, HasSubstr("Training loss"));
  EXPECT_THAT(html, Not(HasSubstr("Gradient norm")));  // it was not logged
  for (const char* outside : {"http", "src=", "url(", "<script", "<link", "@import"})
    EXPECT_THAT(html, Not(HasSubstr(outside)));
  EXPECT_THAT(html, Not(HasSubstr("<lrurec>")));
  const test::TemporaryFolder folder;  // the page is known as the program's own
  write_file(folder / "report.html", html);
  EXPECT_TRUE(kReportPage.recognises(folder / "report.html"));
  write_file(folder / "report.html", html_page("t", "not of a report"));
  EXPECT_FALSE(kReportPage.recognises(folder / "report.html"));
  for (const char* part : {"prefers-color-scheme: dark", "@media print", "width=device-width"})
    EXPECT_THAT(html, HasSubstr(part));
  report.history_lengths = {{4, 9}};
  EXPECT_THROW(html_report(report, pool), ShapeError);
  report.history_lengths = {{4, 9, 9}, {4, 9, 9}};
  EXPECT_THROW(html_report(report, pool), ShapeError);
}

// Three systems of all users and of a subset, given in any order.
std::string two_groups() {
  std::vector<int32_t> found, ranked;
  for (int u = 0; u < 60; ++u) {
    found.push_back(u % 2 == 0 ? 2 : 40);
    ranked.push_back(u % 2 == 0 ? 1 : 40);
  }
  Protocol all, subset;
  subset.users = "valid retrieval";
  const std::vector<int32_t> inside(20, 2), better(20, 1);
  const Report report{
      .title = "t",
      .evaluations = {evaluation("found", inside, subset), evaluation("ranked", better, subset),
                      evaluation("found", found, all), evaluation("ranked", ranked, all),
                      evaluation("same", found, all)}};
  ThreadPool pool(1);
  return html_report(report, pool);
}

TEST(Report, OpensWithTheVerdictOfAllUsers) {
  const std::string html = two_groups();
  const size_t verdict = html.find("class=\"verdict\"");
  ASSERT_NE(verdict, std::string::npos);
  EXPECT_LT(html.find("<h2>All users</h2>"), verdict);
  EXPECT_LT(verdict, html.find("<svg"));
  EXPECT_LT(html.find("<svg"), html.find("<table"));
  // Half the users went from place 2 to 1: (1 - 1/log2(3)) / 2.
  EXPECT_THAT(html, HasSubstr("ranked is better than found: NDCG@10 +0.1845 ["));
  EXPECT_THAT(html, HasSubstr("No difference between same and found is shown: NDCG@10 +0.0000 "
                              "[+0.0000, +0.0000], p = 1.0000"));
  EXPECT_THAT(html, HasSubstr("ranked is better than found: NDCG@10 +0.3691 ["));  // of the subset
}

TEST(Report, NoChartMixesSetsOfUsers) {
  const std::string html = two_groups();
  const size_t second = html.find("<h2>Users whose held-out item was retrieved</h2>");
  ASSERT_NE(second, std::string::npos);
  const std::string first_part = html.substr(0, second), second_part = html.substr(second);
  // Differences by two metrics and Recall against the cut-off, each once a group.
  EXPECT_EQ(count(first_part, "<svg"), 3);
  EXPECT_EQ(count(second_part, "<svg"), 3);
  EXPECT_EQ(count(second_part, "same"), 0);
  // One paragraph of the protocol a group, not one a system.
  EXPECT_EQ(count(first_part, "test split"), 1);
  EXPECT_EQ(count(second_part, "test split"), 1);
  EXPECT_EQ(count(first_part, "of 60 held-out items"), 1);
  EXPECT_EQ(count(second_part, "of 20 held-out items"), 1);
}

TEST(Report, OtherRulesOrDataAreAnotherGroup) {
  Protocol other;
  other.fingerprint = "0123456789abcdef";
  const Report report{
      .title = "t", .evaluations = {evaluation("a", {1, 2, 3}), evaluation("b", {1, 2, 3}, other)}};
  ThreadPool pool(1);
  const std::string html = html_report(report, pool);
  EXPECT_EQ(count(html, "class=\"verdict\""), 0);
  EXPECT_EQ(count(html, "stands alone here"), 2);
  EXPECT_THAT(html, HasSubstr("All users, data 0123456789ab"));
}

TEST(Report, OneColourASystemOnTheWholePage) {
  const std::string html = two_groups();
  // Verdicts, dots, heads of tables and lines of charts.
  const std::pair<const char*, const char*> systems[] = {
      {"c0", "found"}, {"c1", "ranked"}, {"c2", "same"}};
  for (const auto& [colour, system] : systems) {
    for (const char* other : {"c0", "c1", "c2"}) {
      const int wanted = std::string(colour) == other;
      const std::string head = fmt::format("<span class=\"key {}\"></span>{}</th>", other, system);
      EXPECT_EQ(count(html, head) > 0, wanted == 1) << head;
      const std::string line =
          fmt::format("<path class=\"line {}\" stroke=\"currentColor\"", other);
      EXPECT_GT(count(html, line), 0);
    }
  }
  EXPECT_THAT(html, HasSubstr("<span class=\"key c1\"></span>ranked is better"));
  SystemColours colours;
  EXPECT_EQ(colours.of("x"), 0U);
  EXPECT_EQ(colours.of("y"), 1U);
  EXPECT_EQ(colours.of("x"), 0U);
  EXPECT_EQ(colour_class(kNeutralColour), "cn");
}

// A ranker is validated on the users whose item was retrieved, a retriever on all.
TEST(Report, RunsOfOtherKindsHaveChartsOfTheirOwn) {
  const std::vector<Json> lines = {Json{{"step", 1}, {"valid", {{"NDCG@10", 0.5}}}}};
  const Report report{.title = "t",
                      .runs = {{"a", {{"verb", "train retriever"}}, lines},
                               {"b", {{"verb", "train retriever"}}, lines},
                               {"c", {{"verb", "train ranker"}, {"valid_users", 90}}, lines},
                               {"d", {{"verb", "train ranker"}, {"valid_users", 80}}, lines}}};
  ThreadPool pool(1);
  const std::string html = html_report(report, pool);
  EXPECT_EQ(count(html, "<svg"), 3);
  EXPECT_THAT(html, HasSubstr("validation on 90 users"));
}

}  // namespace
}  // namespace tandem
