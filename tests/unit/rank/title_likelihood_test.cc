// SPDX-License-Identifier: Apache-2.0
#include "rank/title_likelihood.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "core/rng.h"
#include "support/llama_reference.h"
#include "support/random_retriever.h"
#include "support/ranker_world.h"

namespace tandem {
namespace {

using Tokens = std::vector<int32_t>;

TEST(SharePrefix, LeavesEveryTextATokenToGoOnWith) {
  const SharedPrefix some = share_prefix({{1, 2, 3, 4}, {1, 2, 5}, {1, 2, 3}});
  EXPECT_EQ(some.prefix, (Tokens{1, 2}));
  EXPECT_EQ(some.rest, (std::vector<Tokens>{{3, 4}, {5}, {3}}));
  const SharedPrefix part = share_prefix({{1, 2, 3}, {1, 2}});  // one text begins the other
  EXPECT_EQ(part.prefix, (Tokens{1}));
  EXPECT_EQ(part.rest, (std::vector<Tokens>{{2, 3}, {2}}));
  EXPECT_THROW(share_prefix({{1, 2}, {2, 2}}), ShapeError);
  EXPECT_THROW(share_prefix({}), ShapeError);
}

// log P of a whole text after its first `shared` tokens, from plain loops.
double log_likelihood(const test::LlamaReference& model, const Tokens& text, size_t shared) {
  const test::LlamaReference::Rows scores = model.logits(text);
  double total = 0;
  for (size_t t = shared; t < text.size(); ++t)
    total += test::LlamaReference::log_probability(scores[t - 1], text[t]);
  return total;
}

TEST(TitleLikelihoods, EqualWholePassesOfEachTextInPlainLoops) {
  const test::TemporaryFolder folder;
  ThreadPool pool(2);
  const auto reference = test::LlamaReference::random(test::llama_variants()[0].config, 3);
  reference.write(folder.path());
  const engine::Llama model(folder.path());
  Rng rng(3);
  const auto draw = [&](int64_t count) {
    Tokens tokens;
    for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<int32_t>(rng.below(61)));
    return tokens;
  };
  std::vector<SharedPrefix> prompts;
  std::vector<std::vector<double>> want;
  for (const auto& lengths :
       std::vector<std::vector<int64_t>>{{1, 1, 1}, {3, 1, 7, 2}, {1}, {5, 5}}) {
    SharedPrefix prompt{draw(4 + std::ssize(prompts)), {}};
    want.emplace_back();
    for (const int64_t length : lengths) {
      prompt.rest.push_back(draw(length));
      Tokens text = prompt.prefix;
      text.insert(text.end(), prompt.rest.back().begin(), prompt.rest.back().end());
      want.back().push_back(log_likelihood(reference, text, prompt.prefix.size()));
    }
    prompts.push_back(std::move(prompt));
  }
  const engine::Matrix scores = title_likelihoods(model, prompts, pool);
  ASSERT_EQ(scores.columns, 4);
  for (size_t i = 0; i < want.size(); ++i) {
    const float* row = scores.row(static_cast<int64_t>(i));
    for (size_t c = 0; c < want[i].size(); ++c) EXPECT_NEAR(row[c], want[i][c], 1e-4) << i << c;
    for (size_t c = want[i].size(); c < 4; ++c) EXPECT_TRUE(std::isinf(row[c]));
  }
}

// A model of four tokens whose probabilities depend on the last one alone.
TEST(TitleLikelihoods, ByHand) {
  const float table[4][4] = {{0.25f, 0.25f, 0.25f, 0.25f},
                             {0.5f, 0.25f, 0.125f, 0.125f},
                             {0.1f, 0.2f, 0.3f, 0.4f},
                             {0.7f, 0.1f, 0.1f, 0.1f}};
  std::vector<std::vector<float>> scores(4);
  for (size_t i = 0; i < 4; ++i)
    for (const float p : table[i]) scores[i].push_back(std::log(p));
  const test::TemporaryFolder folder;
  test::LlamaReference::bigram(scores).write(folder.path());
  ThreadPool pool(1);
  // After 3 1: the title 2 3 0 has P(2 | 1) P(3 | 2) P(0 | 3), the title 0 has P(0 | 1).
  const SharedPrefix prompt{{3, 1}, {{2, 3, 0}, {0}}};
  const engine::Matrix found = title_likelihoods(engine::Llama(folder.path()), {&prompt, 1}, pool);
  EXPECT_NEAR(found.row(0)[0], std::log(0.125 * 0.4 * 0.7), 1e-5);
  EXPECT_NEAR(found.row(0)[1], std::log(0.5), 1e-5);
}

// The newest max_history - 1 items stand before the candidate, numbered from one.
class LikelihoodTexts : public testing::Test {
 protected:
  test::TemporaryFolder folder_;
  ThreadPool pool_{1};
  Dataset dataset_ = test::tiny_dataset(folder_);
  std::unique_ptr<Tokenizer> tokenizer_ = load_tokenizer(test::tiny_base(folder_, pool_));
};

TEST_F(LikelihoodTexts, ShowTheNewestItemsAndTheCandidate) {
  PromptConfig config;
  config.max_history = 3;
  const ItemTitles titles(dataset_, TitleCutter(config, *tokenizer_), pool_);
  const PromptEncoder encoder(*tokenizer_, config);
  const std::vector<int32_t> history{4, 9, 2};
  const RankingSample sample{.history = history, .candidates = {7, 12}};
  EXPECT_EQ(likelihood_text(config, titles, sample), "(1) Film number 9 \n (2) Film number 2");
  const SharedPrefix prompt = likelihood_prompt(config, encoder, titles, sample);
  ASSERT_EQ(prompt.rest.size(), 2u);
  const auto text_of = [&](size_t candidate) {
    Tokens all = prompt.prefix;
    all.insert(all.end(), prompt.rest[candidate].begin(), prompt.rest[candidate].end());
    EXPECT_EQ(all.front(), *tokenizer_->bos_id());
    return tokenizer_->decode(std::span(all).subspan(1));
  };
  EXPECT_EQ(text_of(0), "(1) Film number 9 \n (2) Film number 2 \n (3) Film number 7");
  EXPECT_EQ(text_of(1), "(1) Film number 9 \n (2) Film number 2 \n (3) Film number 12");
}

}  // namespace
}  // namespace tandem
