// SPDX-License-Identifier: Apache-2.0
#include "eval/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "eval/comparison_report.h"

namespace tandem {
namespace {

using ::testing::HasSubstr;

Evaluation evaluation_of(const std::vector<int32_t>& ranks) {
  Evaluation evaluation;
  evaluation.system = "s";
  evaluation.protocol.fingerprint = "f";
  evaluation.ranks = ranks;
  evaluation.tied.assign(ranks.size(), 0);
  for (size_t i = 0; i < ranks.size(); ++i) {
    evaluation.user_ids.push_back(fmt::format("u{}", i));
    evaluation.target_ids.push_back(fmt::format("t{}", i));
  }
  return evaluation;
}

std::vector<int32_t> repeated(std::vector<int32_t> pattern, int times) {
  std::vector<int32_t> ranks;
  for (int i = 0; i < times; ++i) ranks.insert(ranks.end(), pattern.begin(), pattern.end());
  return ranks;
}

TEST(Compare, ASystemAgainstItselfShowsNothing) {
  ThreadPool pool(1);
  const Evaluation a = evaluation_of({1, 5, 60, 3});
  const Comparison result = compare(a, a, {.resamples = 200}, pool);
  EXPECT_EQ(result.num_differing, 0);
  for (const MetricComparison& metric : result.metrics) {
    EXPECT_EQ(metric.difference, 0);
    EXPECT_EQ(metric.winner(), 0);
    EXPECT_EQ(metric.p_value, 1);
  }
}

TEST(Compare, NamesTheBetterOne) {
  ThreadPool pool(2);
  const Evaluation a = evaluation_of(repeated({2, 60, 8, 60}, 50));
  const Evaluation b = evaluation_of(repeated({1, 60, 4, 30}, 50));
  const Comparison result = compare(a, b, {.resamples = 500}, pool);
  EXPECT_EQ(result.num_users, 200);
  EXPECT_EQ(result.num_differing, 150);
  const auto find = [&](const std::string& name) {
    return *std::find_if(result.metrics.begin(), result.metrics.end(),
                         [&](const MetricComparison& m) { return m.name == name; });
  };
  EXPECT_DOUBLE_EQ(find("Recall@1").difference, 0.25);
  EXPECT_EQ(find("Recall@1").winner(), 1);
  EXPECT_LT(find("Recall@1").p_value, 0.01);
  EXPECT_EQ(find("Recall@10").difference, 0);
  EXPECT_EQ(find("Recall@10").winner(), 0);
  const Comparison swapped = compare(b, a, {.resamples = 500}, pool);
  EXPECT_EQ(swapped.metrics[0].winner(), -1);
  EXPECT_DOUBLE_EQ(swapped.metrics[0].difference, -0.25);
}

// Pairing matters: the same users in another order give the same result.
TEST(Compare, MatchesUsersByName) {
  ThreadPool pool(1);
  const Evaluation a = evaluation_of({1, 2, 3, 4, 5, 6}), b = evaluation_of({6, 2, 1, 9, 5, 60});
  Evaluation reversed = b;
  std::reverse(reversed.user_ids.begin(), reversed.user_ids.end());
  std::reverse(reversed.target_ids.begin(), reversed.target_ids.end());
  std::reverse(reversed.ranks.begin(), reversed.ranks.end());
  const Comparison straight = compare(a, b, {.resamples = 100}, pool);
  const Comparison other = compare(a, reversed, {.resamples = 100}, pool);
  for (size_t m = 0; m < straight.metrics.size(); ++m) {
    EXPECT_EQ(straight.metrics[m].interval.low, other.metrics[m].interval.low);
    EXPECT_EQ(straight.metrics[m].p_value, other.metrics[m].p_value);
  }
  EXPECT_EQ(straight.num_differing, other.num_differing);
}

TEST(Compare, RefusesWhatWasNotMeasuredAlike) {
  const Evaluation a = evaluation_of({1, 2, 3});
  const auto reason = [&](auto change) {
    Evaluation b = a;
    change(b);
    return fmt::format("{}", fmt::join(reasons_not_comparable(a, b), "; "));
  };
  EXPECT_EQ(reason([](Evaluation&) {}), "");
  EXPECT_THAT(reason([](Evaluation& b) { b.protocol.fingerprint = "g"; }),
              HasSubstr("fingerprint: 'f' and 'g'"));
  EXPECT_THAT(reason([](Evaluation& b) { b.protocol.split = "valid"; }), HasSubstr("split"));
  EXPECT_THAT(reason([](Evaluation& b) { b.protocol.users = "subset"; }), HasSubstr("users"));
  EXPECT_THAT(reason([](Evaluation& b) { b.protocol.candidate_set = "top 20"; }),
              HasSubstr("candidate set"));
  EXPECT_THAT(reason([](Evaluation& b) { b.protocol.seen_items = "none"; }),
              HasSubstr("seen items"));
  EXPECT_THAT(reason([](Evaluation& b) { b.protocol.tie_rule = TieRule::kWorst; }),
              HasSubstr("tie rule"));
  EXPECT_THAT(reason([](Evaluation& b) { b.user_ids[1] = "other"; }),
              HasSubstr("1 only in the first, 1 only in the second"));
  EXPECT_THAT(reason([](Evaluation& b) { b.target_ids[2] = "other"; }),
              HasSubstr("user 'u2' has 't2' and 'other'"));
  ThreadPool pool(1);
  Evaluation b = evaluation_of({1, 2});
  EXPECT_THROW(compare(a, b, {}, pool), DataError);
}

TEST(Compare, UsesTheCutoffsThatBothHave) {
  ThreadPool pool(1);
  Evaluation a = evaluation_of({1, 2, 3}), b = a;
  a.protocol.cutoffs = {1, 5};
  b.protocol.cutoffs = {5, 10};
  EXPECT_EQ(compare(a, b, {.resamples = 10}, pool).metrics.size(), 3U);
  b.protocol.cutoffs = {10};
  EXPECT_THROW(compare(a, b, {.resamples = 10}, pool), DataError);
}

TEST(Compare, RefusesOtherCandidates) {
  ThreadPool pool(1);
  Evaluation a = evaluation_of({1, 2, 3}), b = a;
  a.protocol.candidate_set = "lrurec top 20, lists 0123";
  b.protocol.candidate_set = "lrurec top 20, lists 4567";
  try {
    compare(a, b, {.resamples = 10}, pool);
    FAIL() << "two lists of candidates were compared";
  } catch (const DataError& error) {
    EXPECT_THAT(
        error.what(),
        HasSubstr("candidate set: 'lrurec top 20, lists 0123' and 'lrurec top 20, lists 4567'"));
  }
}

// By hand: place 2 to 1 is NDCG 1 - 1/log2(3) = 0.3691, place 40 to 2 is 0.6309; means over 4
// users.
TEST(Compare, EveryValueIsTheOneByHand) {
  ThreadPool pool(1);
  const Evaluation a = evaluation_of({2, 40, 1, 0}), b = evaluation_of({1, 2, 1, 0});
  const ResamplingOptions options{.resamples = 300, .seed = 11};
  const Comparison result = compare(a, b, headline_metrics(), options, pool);
  ASSERT_EQ(result.metrics.size(), 2U);
  const MetricComparison& ndcg = result.metrics[0];
  EXPECT_EQ(ndcg.name, "NDCG@10");
  EXPECT_NEAR(ndcg.a, (0.63093 + 1) / 4, 1e-5);
  EXPECT_NEAR(ndcg.b, (1 + 0.63093 + 1) / 4, 1e-5);
  EXPECT_NEAR(ndcg.difference, 0.25, 1e-5);
  EXPECT_EQ(result.metrics[1].name, "Recall@10");
  EXPECT_DOUBLE_EQ(result.metrics[1].difference, 0.25);
  // Interval and p are those of the differences, user by user, with these options.
  const UserValues values{.num_users = 4,
                          .num_metrics = 2,
                          .values = {1 - 1 / std::log2(3.0), 0, 1 / std::log2(3.0), 1, 0, 0, 0, 0}};
  const auto intervals = bootstrap_intervals(values, options, pool);
  const auto p = permutation_p_values(values, options, pool);
  for (size_t m = 0; m < 2; ++m) {
    EXPECT_NEAR(result.metrics[m].interval.low, intervals[m].low, 1e-12);
    EXPECT_NEAR(result.metrics[m].interval.high, intervals[m].high, 1e-12);
    EXPECT_EQ(result.metrics[m].p_value, p[m]);
  }
  EXPECT_LT(ndcg.interval.low, ndcg.interval.high);
}

TEST(Compare, TheVerdictSaysWhichAndByHowMuch) {
  MetricComparison metric{.name = "NDCG@10",
                          .a = 0.5,
                          .b = 0.75,
                          .difference = 0.25,
                          .interval = {0.125, 0.375},
                          .p_value = 0.0005};
  EXPECT_EQ(verdict("x", "y", metric),
            "y is better than x: NDCG@10 +0.2500 [+0.1250, +0.3750], p = 0.0005");
  metric.difference = -0.25;
  metric.interval = {-0.375, -0.125};
  EXPECT_EQ(verdict("x", "y", metric),
            "y is worse than x: NDCG@10 -0.2500 [-0.3750, -0.1250], p = 0.0005");
  metric.interval = {-0.375, 0};
  EXPECT_EQ(verdict("x", "y", metric),
            "No difference between y and x is shown: NDCG@10 -0.2500 [-0.3750, +0.0000], p = "
            "0.0005");
}

TEST(Compare, WritesTableJsonAndPicture) {
  ThreadPool pool(1);
  const ComparisonContext context{.folder_a = "x",
                                  .folder_b = "<y>",
                                  .a = evaluation_of(repeated({2, 60}, 40)),
                                  .b = evaluation_of(repeated({1, 60}, 40)),
                                  .options = {.resamples = 100}};
  const Comparison comparison = compare(context.a, context.b, context.options, pool);
  const Json json = comparison_json(context, comparison);
  EXPECT_EQ(json["users"], 80);
  EXPECT_EQ(json["metrics"][0]["name"], "Recall@1");
  EXPECT_EQ(json["metrics"][0]["difference"], 0.5);
  EXPECT_EQ(json["metrics"][0]["better"], "b");
  const std::string text = comparison_text(context, comparison);
  EXPECT_THAT(text, HasSubstr("B is better"));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
  const std::string picture = comparison_picture(comparison);
  EXPECT_THAT(picture, HasSubstr("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox="));
  EXPECT_THAT(picture, HasSubstr("NDCG"));
  const std::string page = comparison_page(context, comparison);
  EXPECT_THAT(page, HasSubstr("&lt;y&gt;"));
  EXPECT_THAT(page, HasSubstr("+0.5000"));
  // Opens with the verdict: half the users went from place 2 to 1.
  EXPECT_THAT(page, HasSubstr("<p class=\"verdict\">s (B) is better than s (A): NDCG@10 +0.1845"));
  EXPECT_LT(page.find("verdict\">"), page.find("<svg"));
  EXPECT_THAT(comparison_text(context, comparison), HasSubstr("s (B) is better than s (A)"));
}

}  // namespace
}  // namespace tandem
