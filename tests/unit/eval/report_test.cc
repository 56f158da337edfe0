// SPDX-License-Identifier: Apache-2.0
#include "eval/report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/error.h"
#include "eval/report/chart.h"

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
  const std::string svg =
      draw({"t", "x", "y", {{"a", {1, 2, 3}, {1, nan, 2}, {}, {}}}, false, true, {}});
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(draw({"t", "x", "y", {{"a", {1}, {nan}, {}, {}}}, false, true, {}}),
              HasSubstr("no values"));
}

Evaluation three_users() {
  ThreadPool pool(1);
  RankList ranks;
  ranks.add(0, 1, {1, false});
  ranks.add(1, 2, {0, false});
  ranks.add(2, 3, {20, false});
  const auto name = [](int64_t id) { return std::to_string(id); };
  return evaluate_ranks("<lrurec>", {}, ranks, name, name, pool);
}

TEST(Report, ShowsMetricsCurvesAndNothingFromOutside) {
  ThreadPool pool(1);
  Report report{"A & B",
                {{"run", {Json{{"step", 1}, {"loss", 2.5}}, Json{{"step", 2}, {"loss", 2.0}}}}},
                {three_users()},
                {{4, 9, 9}}};
  const std::string html = html_report(report, pool);
  EXPECT_THAT(html, HasSubstr("A &amp; B"));
  EXPECT_THAT(html, HasSubstr("<td>Recall@1</td><td>0.3333"));
  EXPECT_THAT(html, HasSubstr("&lt;lrurec&gt;"));
  EXPECT_THAT(html, HasSubstr(">4</text>"));  // the two groups of histories
  EXPECT_THAT(html, HasSubstr(">5-9</text>"));
  EXPECT_THAT(html, HasSubstr("Training loss"));
  EXPECT_THAT(html, Not(HasSubstr("http")));
  EXPECT_THAT(html, Not(HasSubstr("<lrurec>")));
  report.history_lengths = {{4, 9}};
  EXPECT_THROW(html_report(report, pool), ShapeError);
}

}  // namespace
}  // namespace tandem
