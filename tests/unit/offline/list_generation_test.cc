// SPDX-License-Identifier: Apache-2.0
#include "offline/list_generation.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "support/ranker_world.h"

namespace tandem {
namespace {

using Strings = std::vector<std::string>;

TEST(NormalisedTitle, ForgetsEntitiesQuotesCaseAndBlanks) {
  EXPECT_EQ(normalised_title("  Tom &amp; Jerry&#39;s\t Film "), "tom & jerry's film");
  EXPECT_EQ(normalised_title("\xE2\x80\x9CL\xE2\x80\x99\xC3\x89t\xC3\xA9\xE2\x80\x9D"),
            "l'\xC3\xA9t\xC3\xA9");
  EXPECT_EQ(normalised_title("\"Heat (1995)\""), "heat (1995)");
  EXPECT_EQ(normalised_title("&amp;quot;"), "&quot;");  // unescaped once
  EXPECT_EQ(normalised_title(""), "");
}

TEST(ParseList, TakesTitlesAndJudgesTheForm) {
  const WrittenList good = parse_list("1. Heat\n2. Alien (1979)\n", 2);
  EXPECT_EQ(good.titles, (Strings{"Heat", "Alien (1979)"}));
  EXPECT_TRUE(good.compliant);
  EXPECT_TRUE(parse_list("(1) Heat\n\n(2) Alien", 2).compliant);
  EXPECT_FALSE(parse_list("1. Heat", 2).compliant);                      // too short
  EXPECT_FALSE(parse_list("1. Heat\n2. Alien\n3. Fargo", 2).compliant);  // too long
  EXPECT_EQ(parse_list("1. Heat\n2. Alien\n3. Fargo", 2).titles.size(), 2U);
  EXPECT_FALSE(parse_list("1. Heat\n3. Alien", 2).compliant);  // numbered wrongly
  EXPECT_FALSE(parse_list("1. Heat\n2.", 2).compliant);        // no text
  const WrittenList plain = parse_list("- Heat\n12 Monkeys\n### Input: 3. x", 2);
  EXPECT_EQ(plain.titles, (Strings{"Heat", "12 Monkeys"}));
  EXPECT_FALSE(plain.compliant);
  EXPECT_TRUE(parse_list("", 2).titles.empty());
}

TEST(ListPrompt, ShowsHistoryAndCandidatesWithoutLetters) {
  const Strings history = {"Heat"}, candidates = {"Alien", "Fargo"};
  const std::string prompt = list_prompt({}, history, candidates, 5);
  EXPECT_NE(prompt.find("recommend 5 items"), std::string::npos);
  EXPECT_NE(prompt.find("(1) Heat;"), std::string::npos);
  EXPECT_NE(prompt.find("pool: Alien \n Fargo\n"), std::string::npos);
}

TEST(GenerateLists, ARandomModelInventsAndIsCountedSo) {
  const test::TemporaryFolder folder;
  ThreadPool pool(2);
  const Dataset dataset = test::tiny_dataset(folder);
  PromptConfig prompt;
  prompt.max_title_tokens = 4;
  const TitledRanker model(load_ranker(test::tiny_base(folder, pool), prompt), dataset, pool);
  EXPECT_EQ(*TitleIndex(dataset).find(" FILM  number 7"), 7);
  EXPECT_FALSE(TitleIndex(dataset).find("Film number 77").has_value());
  std::vector<RankingSample> samples;
  for (int64_t user = 0; user < 6; ++user)
    samples.push_back({.user = user,
                       .history = input_items(dataset, user, Split::kTest),
                       .candidates = {1, 2, 3},
                       .answer = 1});
  const GenerationQuality quality = generate_lists(
      model, dataset, samples, {.num_users = 3, .list_size = 2, .examples = 1}, pool);
  EXPECT_EQ(quality.num_users, 3);
  EXPECT_EQ(quality.compliant, 0);
  EXPECT_EQ(quality.recall10, 0);
  EXPECT_EQ(quality.hallucinated, quality.titles_a_user > 0 ? 1 : 0);
  ASSERT_EQ(quality.samples.size(), 1U);
  EXPECT_EQ(quality.samples[0].user, "u00");
  EXPECT_THROW(generate_lists(model, dataset, samples, {.list_size = 0}, pool), UsageError);
}

}  // namespace
}  // namespace tandem
