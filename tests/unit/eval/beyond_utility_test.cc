// SPDX-License-Identifier: Apache-2.0
#include "eval/beyond_utility.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "eval/report/beyond_section.h"
#include "unit/eval/temporary_folder.h"

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

TEST(BeyondUtility, ComesBackFromItsFile) {
  const test::TemporaryFolder folder;
  const BeyondUtility written = sample();
  write_json(folder / kBeyondFile, beyond_json(written));
  const BeyondUtility read = read_beyond(folder / kBeyondFile);
  EXPECT_EQ(beyond_json(read).dump(), beyond_json(written).dump());
  EXPECT_EQ(read.examples[0].candidates[1].title, "X");
  EXPECT_EQ(read.lists[0].metrics[1].interval->high, 8);
}

TEST(BeyondUtility, TextNamesEverySystemAndNumber) {
  const std::string text = beyond_text(sample());
  for (const char* part : {"Gini@10", "1-4: 0.5000", "5: 0.1250", "0.2500", "hallucinated 0.5000"})
    EXPECT_THAT(text, testing::HasSubstr(part));
}

TEST(BeyondUtility, ThePageMarksTheTruthAndLoadsNothing) {
  BeyondUtility beyond = sample();
  beyond.examples[0].candidates[1].title = "<script>";
  const std::string html = beyond_section(beyond);
  EXPECT_THAT(html, testing::HasSubstr("class=\"truth\"><td>B</td><td>&lt;script&gt;"));
  EXPECT_THAT(html, testing::HasSubstr("First choices by place (letters)"));
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
