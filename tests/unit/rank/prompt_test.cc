// SPDX-License-Identifier: Apache-2.0
#include "rank/prompt.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "support/llama2_like.h"
#include "support/ranker_world.h"

namespace tandem {
namespace {

using Texts = std::vector<std::string>;

TEST(RenderPrompt, IsTheAuthorsByByte) {
  const Texts history{"Heat (1995)", "Alien (1979)"}, candidates{"Toy Story (1995)", "Solaris"};
  EXPECT_EQ(render_prompt({}, history, candidates),
            "### Instruction:\nGiven user history in chronological order, recommend an item from "
            "the candidate pool with its index letter.\n\n### Input:\nUser history: (1) Heat "
            "(1995) \n (2) Alien (1979); \n Candidate pool: (A) Toy Story (1995) \n (B) "
            "Solaris\n\n### Response:\n");
}

TEST(RenderPrompt, ShowsTheNewestOfALongHistoryAndNumbersThemFromOne) {
  PromptConfig config;
  config.text = "{history}|{candidates}";
  config.max_history = 2;
  config.separator = ",";
  const Texts history{"a", "b", "c"}, candidates{"x"};
  EXPECT_EQ(render_prompt(config, history, candidates), "(1) b,(2) c|(A) x");
}

TEST(RenderPrompt, PlaceholdersInATitleAreText) {
  PromptConfig config;
  config.text = "{history}|{candidates}";
  const Texts history{"{candidates} {number} {title}"}, candidates{"{history} {letter}"};
  EXPECT_EQ(render_prompt(config, history, candidates),
            "(1) {candidates} {number} {title}|(A) {history} {letter}");
}

TEST(RenderPrompt, RefusesTooManyCandidates) {
  PromptConfig config;
  config.num_candidates = 2;
  const Texts history{"a"}, three{"x", "y", "z"};
  EXPECT_THROW(render_prompt(config, history, three), ShapeError);
  EXPECT_THROW(render_prompt(config, history, {}), ShapeError);
}

TEST(PromptConfig, ChecksPlaceholdersAndLimits) {
  PromptConfig config;
  config.text = "no history";
  EXPECT_THROW(config.validate(), ConfigError);
  config = {};
  config.num_candidates = 53;
  EXPECT_THROW(config.validate(), ConfigError);
  config = {};
  config.title_truncation = "chars:many";
  EXPECT_THROW(config.validate(), ConfigError);
  config = {};
  EXPECT_EQ(PromptConfig::from_json(config.to_json(), "here").to_json(), config.to_json());
}

TEST(LetterOf, GoesOnWithSmallLettersBehindZ) {
  EXPECT_EQ(letter_of(0), "A");
  EXPECT_EQ(letter_of(25), "Z");
  EXPECT_EQ(letter_of(26), "a");
  EXPECT_EQ(letter_of(51), "z");
  EXPECT_THROW(letter_of(52), ShapeError);
}

class Prompts : public testing::Test {
 protected:
  Prompts() : tokenizer_(load_tokenizer(test::tiny_base(folder_, pool_))) {}

  test::TemporaryFolder folder_;
  ThreadPool pool_{1};
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(Prompts, TitlesAreCutByTokensOrCharacters) {
  PromptConfig config;
  config.max_title_tokens = 3;
  const std::string title =
      "\xC3\xA4"
      "bc Film number";  // a-umlaut is two bytes
  const auto ids = tokenizer_->encode(title);
  ASSERT_GT(ids.size(), 3u);
  EXPECT_EQ(TitleCutter(config, *tokenizer_).cut(title),
            tokenizer_->decode(std::span(ids).first(3)));
  config.title_truncation = "chars:2";
  EXPECT_EQ(TitleCutter(config, *tokenizer_).cut(title),
            "\xC3\xA4"
            "b");
  config.title_truncation = "chars:100";
  EXPECT_EQ(TitleCutter(config, *tokenizer_).cut(title), title);
}

TEST_F(Prompts, ALongPromptLosesItsStartButKeepsBos) {
  PromptConfig config;
  const PromptEncoder whole(*tokenizer_, config);
  config.max_tokens = 10;
  const PromptEncoder encoder(*tokenizer_, config);
  const std::string prompt = "Given user history in chronological order, and more of it\n";
  const auto all = whole.encode(prompt), ids = encoder.encode(prompt);
  ASSERT_GT(all.size(), 10u);
  ASSERT_EQ(ids.size(), 10u);
  EXPECT_EQ(ids[0], *tokenizer_->bos_id());
  EXPECT_TRUE(std::equal(ids.begin() + 1, ids.end(), all.end() - 9));

  const auto training = encoder.encode_training(prompt, "B");
  ASSERT_EQ(training.ids.size(), 11u);
  EXPECT_EQ(training.letter, 9);
  EXPECT_EQ(training.ids[10], *tokenizer_->eos_id());
  EXPECT_EQ(training.ids[9], encoder.letter_token(prompt, "B"));
  EXPECT_TRUE(std::equal(ids.begin() + 2, ids.end(), training.ids.begin() + 1));
}

// Tokens of "é: (1) A; (A) B", a mark for each blank and two bytes for é:
//   ▁ C3 A9 : ▁ | ( 1 ) ▁A | ; ▁ ( A ) ▁B
TEST(HistoryTokens, CountThoseThatHoldSomeOfTheHistory) {
  const auto tokenizer = test::llama2_like();
  PromptConfig config;
  config.text = "\xC3\xA9: {history}; {candidates}";
  const PromptEncoder encoder(*tokenizer, config);
  const Texts history{"A"}, candidates{"B"};
  const HistoryTokens found = encoder.history_tokens(render_prompt(config, history, candidates),
                                                     render_history(config, history), config);
  EXPECT_EQ(found.begin, 5);
  EXPECT_EQ(found.end, 9);
  EXPECT_EQ(found.of_prompt, 15);
}

// Llama 2's tokenizer has no template here: BOS comes from the special ids, and counts as a token.
TEST(PromptEncoder, PutsBosInFrontAndCutsBehindIt) {
  const auto tokenizer = test::llama2_like();
  PromptConfig config;
  EXPECT_EQ(PromptEncoder(*tokenizer, config).encode("A B"), (std::vector<int32_t>{1, 286, 287}));
  config.max_tokens = 2;
  EXPECT_EQ(PromptEncoder(*tokenizer, config).encode("A B"), (std::vector<int32_t>{1, 287}));
  const auto training = PromptEncoder(*tokenizer, {}).encode_training("A:", "B");
  EXPECT_EQ(training.ids, (std::vector<int32_t>{1, 286, 3 + ':', 261, 2}));
  EXPECT_EQ(training.letter, 3);
  EXPECT_EQ(training.eos, 4);
  // A BOS that is EOS too only divides documents.
  tokenizer->set_special_ids({.bos = 2, .eos = 2, .unk = 0, .pad = {}});
  EXPECT_EQ(PromptEncoder(*tokenizer, {}).encode("A"), (std::vector<int32_t>{286}));
  // Nor is one put where the files say that there is none.
  tokenizer->set_special_ids({.bos = 1, .eos = 2, .unk = 0, .pad = {}, .no_bos = true});
  EXPECT_EQ(PromptEncoder(*tokenizer, {}).encode("A"), (std::vector<int32_t>{286}));
  tokenizer->set_special_ids({.bos = 1, .eos = {}, .unk = 0, .pad = {}});
  EXPECT_THROW(PromptEncoder(*tokenizer, {}), ConfigError);
}

TEST(RenderPrompt, CandidatesMayStandBeforeTheHistory) {
  PromptConfig config;
  config.text = "{candidates}|{history}!";
  config.candidate_item = "{title}={letter}";
  config.separator = " ";
  const Texts history{"a", "b"}, candidates{"x", "y"};
  EXPECT_EQ(render_prompt(config, history, candidates), "x=A y=B|(1) a (2) b!");
}

// With a text that ends in a blank, "blank + letter" is one token in many vocabularies: the letter
// then changes the prompt's own tokens.
TEST_F(Prompts, RefusesAPromptThatTheLetterFusesWith) {
  const PromptEncoder encoder(*tokenizer_, {});
  EXPECT_THROW(encoder.letter_token("(1) ", "Film"), DataError);
}

}  // namespace
}  // namespace tandem
