// SPDX-License-Identifier: Apache-2.0
#include "study/study.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace tandem {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Two arms that rank the shared retriever's candidates ("found" is its own order) and one that does
// not, over four users of whom two were found.
StudyResult three_arms() {
  ThreadPool pool(1);
  StudyTable table{.dataset = "films",
                   .fingerprint = "f",
                   .seeds = {42},
                   .ranks = {},
                   .statistics = {},
                   .fairness = {},
                   .differing_settings = {}};
  table.ranks.num_users = 4;
  table.ranks.num_seeds = 1;
  table.ranks.arms = {"found", "ranked", "other"};
  table.ranks.ranks = {{{2, 1, 40, 50}}, {{1, 1, 40, 50}}, {{0, 0, 1, 1}}};
  table.ranks.subset = {{1, 1, 0, 0}};
  table.ranks.in_subset = {1, 1, 0};
  table.statistics = study_statistics(table.ranks, {{1, 0}, {2, 0}}, {.resamples = 50}, pool);
  StudyResult result{.config = {}, .tables = {std::move(table)}, .recipe = "recipe"};
  result.config.title = "A & B";
  return result;
}

TEST(StudyResult, OnlyArmsThatRankTheCandidatesStandInTheSubset) {
  const StudyResult result = three_arms();
  const std::string reason = "Among all users only: other; they do not rank these candidates";
  EXPECT_EQ(result.tables[0].subset_arms(), (std::vector<size_t>{0, 1}));

  const Json json = result.to_json()["datasets"][0];
  EXPECT_TRUE(json["arms"][1].contains("subset"));
  EXPECT_FALSE(json["arms"][2].contains("subset"));
  EXPECT_TRUE(json["comparisons"][0].contains("subset"));
  EXPECT_FALSE(json["comparisons"][1].contains("subset"));
  EXPECT_THAT(json["subset_note"].get<std::string>(), HasSubstr(reason));

  const std::string text = result.text();
  const size_t subset = text.find("Subset: users"), end = text.find("ranked - found");
  ASSERT_LT(subset, end);
  EXPECT_THAT(text.substr(0, subset), HasSubstr("other"));
  const std::string block = text.substr(subset, text.find("Among all") - subset);
  EXPECT_THAT(block, HasSubstr("1.0000 [1.0000, 1.0000]"));  // ranked, both users at place 1
  EXPECT_THAT(block, Not(HasSubstr("other")));
  EXPECT_THAT(text, HasSubstr(reason));
  EXPECT_THAT(result.html(), HasSubstr(reason));
}

TEST(StudyResult, AllArmsInTheSubsetNeedNoNote) {
  StudyResult result = three_arms();
  result.tables[0].ranks.in_subset = {1, 1, 1};
  EXPECT_EQ(result.tables[0].subset_note(), "");
  result.tables[0].ranks.in_subset = {0, 0, 0};
  result.tables[0].ranks.subset.clear();
  EXPECT_EQ(result.tables[0].subset_note(), "");
}

}  // namespace
}  // namespace tandem
