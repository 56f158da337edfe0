// SPDX-License-Identifier: Apache-2.0
#include "eval/beyond_utility.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "eval/report/beyond_section.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

BeyondUtility sample() {
  BeyondUtility beyond{.num_users = 5};
  beyond.protocol.split = "valid";
  beyond.protocol.fingerprint = "abc";
  beyond.by_length = {{"lrurec", "NDCG@10", {{1, 4, 3, 0.5, {0.25, 0.75}}}}};
  beyond.shortened = {{"letters", "NDCG@10", {{5, 5, 5, 0.125, {0, 0.5}}}}};
  beyond.positions = {{.system = "letters", .seed = 42, .choice_distance = 0.25}};
  beyond.positions[0].rows = {{.num_users = 2,
                               .recall1 = 0.5,
                               .ndcg10 = 0.75,
                               .recall1_interval = {0, 1},
                               .ndcg10_interval = {0.5, 1},
                               .first_choices = 1}};
  beyond.lists = {{"lrurec", {{"Gini@10", 0.5}, {"ARP@10", 7, Interval{6, 8}}}}};
  beyond.examples = {
      {"u\xC3\xA4", "letters", "prompt\n", {{"A", "Heat", 0.5}, {"B", "X", 0.5}}, 1}};
  beyond.generation = GenerationQuality{.system = "base",
                                        .num_users = 3,
                                        .list_size = 10,
                                        .compliant = 1.0 / 4,
                                        .hallucinated = 0.5,
                                        .samples = {{"u1", "p", "1. Heat"}}};
  return beyond;
}

// Every number differs from every other, so that none can stand for another.
BeyondUtility distinct() {
  BeyondUtility beyond{.num_users = 5};
  beyond.protocol.split = "valid";
  beyond.protocol.users = "valid retrieval";
  beyond.protocol.fingerprint = "abc";
  beyond.by_length = {{"lrurec", "NDCG@10", {{1, 4, 3, 0.5, {0.25, 0.75}}}}};
  beyond.shortened = {{"letters", "MRR@5", {{6, 7, 8, 0.125, {0.0625, 0.1875}}}}};
  beyond.positions = {{.system = "fused", .seed = 42, .choice_distance = 0.375}};
  beyond.positions[0].rows = {{.num_users = 2,
                               .recall1 = 0.01,
                               .ndcg10 = 0.02,
                               .recall1_interval = {0.03, 0.04},
                               .ndcg10_interval = {0.05, 0.06},
                               .first_choices = 0.07}};
  beyond.lists = {{"lrurec", {{"Gini@10", 0.08}, {"ARP@10", 7, Interval{6, 9}}}}};
  beyond.examples = {{"u1", "letters", "prompt", {{"A", "Heat", 0.7}, {"B", "Alien", 0.3}}, 1}};
  beyond.generation = GenerationQuality{.system = "base",
                                        .num_users = 11,
                                        .list_size = 12,
                                        .compliant = 0.11,
                                        .titles_a_user = 0.12,
                                        .hallucinated = 0.13,
                                        .in_pool = 0.14,
                                        .repeated = 0.15,
                                        .recall10 = 0.16,
                                        .ndcg10 = 0.17,
                                        .samples = {{"u2", "p", "1. Heat"}}};
  return beyond;
}

TEST(BeyondUtility, EveryFieldComesBackFromItsFile) {
  const test::TemporaryFolder folder;
  const BeyondUtility wanted = distinct();
  write_json(folder / kBeyondFile, beyond_json(wanted));
  const BeyondUtility read = read_beyond(folder / kBeyondFile);
  EXPECT_EQ(read.num_users, 5);
  EXPECT_EQ(read.protocol.split, "valid");
  EXPECT_EQ(read.protocol.users, "valid retrieval");
  EXPECT_EQ(read.protocol.fingerprint, "abc");
  const auto curve = [](const std::vector<LengthCurve>& curves) {
    const LengthGroup& group = curves.at(0).groups.at(0);
    return fmt::format("{} {} {} {} {} {} {} {}", curves[0].system, curves[0].metric,
                       group.shortest, group.longest, group.num_users, group.value,
                       group.interval.low, group.interval.high);
  };
  EXPECT_EQ(curve(read.by_length), "lrurec NDCG@10 1 4 3 0.5 0.25 0.75");
  EXPECT_EQ(curve(read.shortened), "letters MRR@5 6 7 8 0.125 0.0625 0.1875");
  const PositionBias& bias = read.positions.at(0);
  const PositionRow& row = bias.rows.at(0);
  EXPECT_EQ(fmt::format("{} {} {}", bias.system, bias.seed, bias.choice_distance),
            "fused 42 0.375");
  EXPECT_EQ(fmt::format("{} {} {} {} {} {} {} {}", row.num_users, row.recall1, row.ndcg10,
                        row.recall1_interval.low, row.recall1_interval.high,
                        row.ndcg10_interval.low, row.ndcg10_interval.high, row.first_choices),
            "2 0.01 0.02 0.03 0.04 0.05 0.06 0.07");
  const ListProfile& lists = read.lists.at(0);
  EXPECT_EQ(lists.system, "lrurec");
  ASSERT_EQ(lists.metrics.size(), 2U);
  EXPECT_EQ(lists.metrics[0].name, "Gini@10");
  EXPECT_EQ(lists.metrics[0].value, 0.08);
  EXPECT_FALSE(lists.metrics[0].interval.has_value());
  EXPECT_EQ(lists.metrics[1].value, 7);
  EXPECT_EQ(lists.metrics[1].interval->low, 6);
  EXPECT_EQ(lists.metrics[1].interval->high, 9);
  const RankingExample& example = read.examples.at(0);
  EXPECT_EQ(
      fmt::format("{} {} {} {}", example.user, example.system, example.prompt, example.answer),
      "u1 letters prompt 1");
  EXPECT_EQ(fmt::format("{} {} {}", example.candidates.at(1).letter, example.candidates[1].title,
                        example.candidates[1].probability),
            "B Alien 0.3");
  const GenerationQuality& written = read.generation.value();
  EXPECT_EQ(
      fmt::format("{} {} {} {} {} {} {} {} {} {}", written.system, written.num_users,
                  written.list_size, written.compliant, written.titles_a_user, written.hallucinated,
                  written.in_pool, written.repeated, written.recall10, written.ndcg10),
      "base 11 12 0.11 0.12 0.13 0.14 0.15 0.16 0.17");
  const GenerationQuality::Sample& sample = written.samples.at(0);
  EXPECT_EQ(fmt::format("{} {} {}", sample.user, sample.prompt, sample.answer), "u2 p 1. Heat");
}

TEST(BeyondUtility, KeysOfTheFileSayWhatTheyHold) {
  const Json json = beyond_json(distinct());
  EXPECT_EQ(json["history_length"][0]["groups"][0]["to"], 4);
  EXPECT_EQ(json["shortened_history"][0]["groups"][0]["from"], 6);
  EXPECT_EQ(json["position_bias"][0]["positions"][0]["position"], 1);
  EXPECT_EQ(json["position_bias"][0]["positions"][0]["NDCG@10"]["low"], 0.05);
  EXPECT_EQ(json["lists"][0]["metrics"]["ARP@10"]["high"], 9);
  EXPECT_EQ(json["generation"]["hallucination_rate"], 0.13);
  EXPECT_EQ(json["generation"]["share_among_candidates"], 0.14);
  EXPECT_EQ(json["generation"]["format_compliance"], 0.11);
  EXPECT_FALSE(beyond_json(BeyondUtility{}).contains("generation"));
}

TEST(BeyondUtility, TextGivesEachNumberItsName) {
  const std::string text = beyond_text(distinct());
  for (const char* part :
       {"Gini@10             0.0800", "NDCG@10 of users by the length of their history",
        "items               lrurec    users\n1-4                 0.5000        3\n",
        "items              letters    users\n6-7                 0.1250        8\n",
        "(distance of first\nchoices 0.3750)",
        "place             Recall@1      chosen\n1                    0.010       0.070\n",
        "Lists written by base for 11 users\n", "format compliance         0.1100\n",
        "titles a user, of 12      0.1200\n", "hallucinated              0.1300\n",
        "among the candidates      0.1400\n", "repeated                  0.1500\n",
        "Recall@10                 0.1600\n", "NDCG@10                   0.1700\n"})
    EXPECT_THAT(text, testing::HasSubstr(part));
}

TEST(BeyondUtility, ThePageMarksTheTruthAndLoadsNothing) {
  BeyondUtility beyond = sample();
  beyond.examples[0].candidates[1].title = "<script>";
  SystemColours colours;
  const std::string html = beyond_section(beyond, colours);
  EXPECT_THAT(html, testing::HasSubstr("class=\"truth\"><td>B</td><td>&lt;script&gt;"));
  EXPECT_THAT(html, testing::HasSubstr("First choices by place"));
  EXPECT_THAT(html, testing::HasSubstr("NDCG@10 with shortened histories"));
  EXPECT_THAT(html, testing::HasSubstr("<td>ARP@10</td><td>7.0000 <small>[6.0000, 8.0000]"));
  EXPECT_THAT(html, testing::Not(testing::HasSubstr("http")));
}

TEST(BeyondUtility, AFileThatIsNoneIsRefused) {
  const test::TemporaryFolder folder;
  Json json = beyond_json(sample());
  json["examples"][0]["answer"] = 2;
  write_json(folder / kBeyondFile, json);
  EXPECT_THROW(read_beyond(folder / kBeyondFile), FormatError);
  json["format"] = "other";
  write_json(folder / kBeyondFile, json);
  EXPECT_THROW(read_beyond(folder / kBeyondFile), FormatError);
  json = beyond_json(sample());
  json["lists"] = 3;
  write_json(folder / kBeyondFile, json);
  EXPECT_THROW(read_beyond(folder / kBeyondFile), FormatError);
}

}  // namespace
}  // namespace tandem
