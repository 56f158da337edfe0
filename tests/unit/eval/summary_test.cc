// SPDX-License-Identifier: Apache-2.0
#include "eval/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace tandem {
namespace {

using ::testing::HasSubstr;

Evaluation system_of(const std::string& name, double recall, double ndcg) {
  Evaluation evaluation;
  evaluation.system = name;
  evaluation.protocol.fingerprint = "0123456789abcdef0123";
  evaluation.protocol.version = "0.1.0";
  evaluation.metrics = {{"Recall@5", 0.5, {0, 1}},  {"Recall@10", recall, {0.25, 0.75}},
                        {"Recall@20", 0.5, {0, 1}}, {"MRR@10", 0.5, {0, 1}},
                        {"NDCG@5", 0.5, {0, 1}},    {"NDCG@10", ndcg, {0.125, 0.375}},
                        {"NDCG@20", 0.5, {0, 1}}};
  evaluation.user_ids = {"a", "b"};
  evaluation.target_ids = {"x", "y"};
  evaluation.ranks = {1, 0};
  evaluation.tied = {1, 0};
  evaluation.excluded = {0, 1};
  return evaluation;
}

TEST(Summary, HasTwoMetricsASystem) {
  EXPECT_EQ(
      summary_table(std::vector{system_of("popularity", 0.3, 0.2), system_of("b", 0.4, 0.25)}),
      "            Recall@10                NDCG@10\n"
      "popularity  0.3000 [0.2500, 0.7500]  0.2000 [0.1250, 0.3750]\n"
      "b           0.4000 [0.2500, 0.7500]  0.2500 [0.1250, 0.3750]\n");
  Evaluation small = system_of("b", 0, 0);
  small.metrics = {{"Recall@1", 0.5, {0, 1}}, {"Recall@5", 0.75, {0, 1}}, {"NDCG@5", 0.5, {0, 1}}};
  EXPECT_EQ(
      summary_table(std::vector{small}),
      "   Recall@5                 NDCG@5\nb  0.7500 [0.0000, 1.0000]  0.5000 [0.0000, 1.0000]\n");
}

TEST(Summary, TheVerdictFollowsFromTheInterval) {
  Comparison comparison;
  comparison.system_a = "popularity";
  comparison.system_b = "lrurec";
  comparison.metrics = {{.name = "Recall@10", .interval = {-1, -0.5}},
                        {.name = "NDCG@10", .difference = 0.0123, .interval = {0.0021, 0.0226}}};
  EXPECT_EQ(verdict_line(comparison),
            "lrurec against popularity: NDCG@10 +0.0123 [+0.0021, +0.0226], better");
  EXPECT_EQ(verdict_words(comparison.metrics[0]), "worse");
  comparison.metrics[1].interval.low = -0.001;
  EXPECT_THAT(verdict_line(comparison), HasSubstr(", no clear difference"));
}

TEST(Summary, TheProtocolStandsOnce) {
  const std::string text =
      protocol_paragraph(std::vector{system_of("a", 0, 0), system_of("b", 0, 0)});
  EXPECT_THAT(text, HasSubstr("test split, all users, full ranking"));
  EXPECT_THAT(text, HasSubstr("held-out items tied, of 2: a 1, b 1."));
  EXPECT_THAT(text, HasSubstr("1 of 2 held-out items had been in the user's input window"));
  EXPECT_THAT(text, HasSubstr("2000 resamples, seed 42; data set 0123456789abcdef, tandem 0.1.0."));
}

TEST(Summary, LinesAreBrokenAtBlanks) {
  EXPECT_EQ(wrapped("one two  three", 8), "one two\nthree\n");
  EXPECT_EQ(wrapped("a-word-too-long b", 8), "a-word-too-long\nb\n");
  EXPECT_EQ(wrapped("12345678", 8), "12345678\n");
  EXPECT_EQ(wrapped("1234 678 0", 8), "1234 678\n0\n");
}

}  // namespace
}  // namespace tandem
