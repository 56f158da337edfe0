// SPDX-License-Identifier: Apache-2.0
#include "rank/title_likelihood.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "core/error.h"
#include "core/rng.h"
#include "models/llama_init.h"

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

// log P of a whole text behind its first `shared` tokens, from one plain pass.
double log_likelihood(const Llama& model, const Tokens& text, size_t shared, ThreadPool& pool) {
  const LlamaSequence sequence{std::ssize(text)};
  const Matrix logits =
      model.logits(model.hidden(model.embed(text), {&sequence, 1}, 0, pool), pool);
  double total = 0;
  for (size_t t = shared; t < text.size(); ++t) {
    const float* row = logits.row(static_cast<int64_t>(t) - 1);
    double sum = 0;
    for (int64_t v = 0; v < logits.columns; ++v) sum += std::exp(double{row[v]});
    total += row[text[t]] - std::log(sum);
  }
  return total;
}

TEST(TitleLikelihoods, EqualWholePassesOfEachText) {
  const fs::path folder =
      fs::temp_directory_path() / ("tandem_likelihood_" + std::to_string(::getpid()));
  ThreadPool pool(2);
  LlamaConfig config = llama_preset("tiny");
  config.vocab_size = 61;
  config.num_layers = 2;
  write_random_llama(config, {.stddev = 0.2}, {folder, kModelFolder, true}, pool);
  const Llama model(folder);
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
      want.back().push_back(log_likelihood(model, text, prompt.prefix.size(), pool));
    }
    prompts.push_back(std::move(prompt));
  }
  const Matrix scores = title_likelihoods(model, prompts, pool);
  ASSERT_EQ(scores.columns, 4);
  for (size_t i = 0; i < want.size(); ++i) {
    const float* row = scores.row(static_cast<int64_t>(i));
    for (size_t c = 0; c < want[i].size(); ++c) EXPECT_NEAR(row[c], want[i][c], 1e-4) << i << c;
    for (size_t c = want[i].size(); c < 4; ++c) EXPECT_TRUE(std::isinf(row[c]));
  }
  fs::remove_all(folder);
}

}  // namespace
}  // namespace tandem
