// SPDX-License-Identifier: Apache-2.0
#include "engine/llama/generate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/llama_reference.h"
#include "support/random_retriever.h"

namespace tandem::engine {
namespace {

using Tokens = std::vector<int32_t>;

// log of a table of probabilities: the scores of a model that gives them.
std::vector<std::vector<float>> logs(std::vector<std::vector<float>> table) {
  for (std::vector<float>& row : table)
    for (float& p : row) p = std::log(p);
  return table;
}

// Token 0 ends a text, token 3 begins one.
//
//   after 3: 1 (0.5), 2 (0.3), 0 (0.15), 3 (0.05)      after 1: 2 (0.4), 0 (0.35), 1 (0.2), 3
//   after 2: 0 (0.9), 1 (0.06), 2 (0.03), 3            after 0: anything
const std::vector<std::vector<float>> kTable = {{0.25f, 0.25f, 0.25f, 0.25f},
                                                {0.35f, 0.2f, 0.4f, 0.05f},
                                                {0.9f, 0.06f, 0.03f, 0.01f},
                                                {0.15f, 0.5f, 0.3f, 0.05f}};

class Generation : public testing::Test {
 protected:
  Llama model(const std::vector<std::vector<float>>& scores) {
    test::LlamaReference::bigram(scores).write(folder_.path());
    return Llama(folder_.path());
  }

  test::TemporaryFolder folder_;
  ThreadPool pool_{1};
};

TEST_F(Generation, TakesTheLikeliestUpToTheEnd) {
  const Llama llama = model(logs(kTable));
  EXPECT_EQ(generate(llama, Tokens{3}, {.eos_tokens = {0}}, pool_), (Tokens{1, 2, 0}));
  EXPECT_EQ(generate(llama, Tokens{1, 3}, {.max_new_tokens = 2}, pool_), (Tokens{1, 2}));
  EXPECT_EQ(generate(llama, Tokens{3}, {.eos_tokens = {7, 2}}, pool_), (Tokens{1, 2}));
  Tokens seen;
  const auto stop_at_two = [&](int32_t token) {
    seen.push_back(token);
    return token != 2;
  };
  EXPECT_EQ(generate(llama, Tokens{3}, {}, pool_, stop_at_two), (Tokens{1, 2}));
  EXPECT_EQ(seen, (Tokens{1, 2}));
}

// Two beams from 3. Step 1 keeps [1] (0.5) and [2] (0.3). Step 2: [2 0] has 0.27 and ends, [1 2]
// 0.2 and [1 1] 0.1 go on ([1 0] with 0.175 is third and may not end). Step 3: [1 2 0] has 0.18.
TEST_F(Generation, TwoBeamsByHand) {
  const Llama llama = model(logs(kTable));
  struct Case {
    double penalty;
    Tokens first, second;
    double first_score, second_score;
  };
  for (const Case& want : {Case{1, {1, 2, 0}, {2, 0}, std::log(0.18) / 3, std::log(0.27) / 2},
                           Case{0, {2, 0}, {1, 2, 0}, std::log(0.27), std::log(0.18)},
                           Case{2, {1, 2, 0}, {2, 0}, std::log(0.18) / 9, std::log(0.27) / 4}}) {
    SCOPED_TRACE(want.penalty);
    const std::vector<Hypothesis> found = beam_search(llama, Tokens{3},
                                                      {.num_beams = 2,
                                                       .max_new_tokens = 6,
                                                       .eos_tokens = {0},
                                                       .length_penalty = want.penalty,
                                                       .early_stopping = true},
                                                      pool_);
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].tokens, want.first);
    EXPECT_EQ(found[1].tokens, want.second);
    EXPECT_NEAR(found[0].score, want.first_score, 1e-5);
    EXPECT_NEAR(found[1].score, want.second_score, 1e-5);
  }
}

struct Ranked {
  Tokens tokens;
  double score;
};

// Every text of at most `length` tokens that ends with 0 or is that long, best first.
void enumerate(const test::LlamaReference& model, Tokens whole, Tokens text, double so_far,
               int64_t length, double penalty, std::vector<Ranked>& out) {
  const auto scores = model.logits(whole).back();
  for (int32_t next = 0; next < std::ssize(scores); ++next) {
    const double total = so_far + test::LlamaReference::log_probability(scores, next);
    Tokens longer = text, further = whole;
    longer.push_back(next);
    further.push_back(next);
    if (next == 0 || std::ssize(longer) == length) {
      out.push_back({longer, total / std::pow(static_cast<double>(longer.size()), penalty)});
    } else {
      enumerate(model, further, longer, total, length, penalty, out);
    }
  }
}

// So many beams that the search is exhaustive, on a model that remembers the whole text.
TEST_F(Generation, EnoughBeamsFindEveryText) {
  Json config = test::llama_variants()[0].config;
  config["vocab_size"] = 5;
  const auto reference = test::LlamaReference::random(config, 3);
  reference.write(folder_.path());
  const Llama llama(folder_.path());
  for (const double penalty : {0.0, 1.0, -0.5, 2.0}) {
    std::vector<Ranked> want;
    enumerate(reference, {1, 4}, {}, 0, 3, penalty, want);
    std::sort(want.begin(), want.end(),
              [](const Ranked& a, const Ranked& b) { return a.score > b.score; });
    ASSERT_EQ(want.size(), 85u);  // 1 + 4 + 16 * 5
    const auto found = beam_search(
        llama, Tokens{1, 4},
        {.num_beams = 100, .max_new_tokens = 3, .eos_tokens = {0}, .length_penalty = penalty},
        pool_);
    ASSERT_EQ(found.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(found[i].tokens, want[i].tokens) << i;
      EXPECT_NEAR(found[i].score, want[i].score, 1e-4) << i;
    }
  }
}

// Two beams from 3. Step 1: [0] ends with 0.4. Step 2: [2 0] ends with 0.225, [1 1] goes on with
// 0.315, whose log / 2 is above log 0.4. Step 3 is the last one: [1 1 1] has 0.2835.
TEST_F(Generation, GoesOnWhileARunningTextCouldWin) {
  const Llama llama = model(logs({{0.25f, 0.25f, 0.25f, 0.25f},
                                  {0.08f, 0.9f, 0.01f, 0.01f},
                                  {0.9f, 0.04f, 0.03f, 0.03f},
                                  {0.4f, 0.34f, 0.25f, 0.01f}}));
  BeamOptions options{.num_beams = 2, .max_new_tokens = 3, .eos_tokens = {0}};
  const auto longest = beam_search(llama, Tokens{3}, options, pool_);
  ASSERT_EQ(longest.size(), 2u);
  EXPECT_EQ(longest[0].tokens, (Tokens{1, 1, 1}));
  EXPECT_NEAR(longest[0].score, std::log(0.34 * 0.9 * 0.9) / 3, 1e-5);
  EXPECT_EQ(longest[1].tokens, (Tokens{2, 0}));
  options.early_stopping = true;
  const auto early = beam_search(llama, Tokens{3}, options, pool_);
  ASSERT_EQ(early.size(), 2u);
  EXPECT_EQ(early[0].tokens, (Tokens{2, 0}));
  EXPECT_EQ(early[1].tokens, (Tokens{0}));
}

// As above, but [1 1] has 0.1805, whose log / 2 is below log 0.5: the search ends, although [1 1 1
// 1 1 1] would have had the best score of all.
TEST_F(Generation, StopsWhenNoRunningTextCanWinAtItsLength) {
  const Llama llama = model(logs({{0.25f, 0.25f, 0.25f, 0.25f},
                                  {0.03f, 0.95f, 0.01f, 0.01f},
                                  {0.97f, 0.01f, 0.01f, 0.01f},
                                  {0.5f, 0.19f, 0.3f, 0.01f}}));
  const auto found = beam_search(llama, Tokens{3},
                                 {.num_beams = 2, .max_new_tokens = 6, .eos_tokens = {0}}, pool_);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].tokens, (Tokens{2, 0}));
  EXPECT_EQ(found[1].tokens, (Tokens{0}));
}

TEST(SampleToken, FollowsTemperatureTopKAndTopP) {
  const std::vector<float> logits = {0, 2, 1, 2};
  EXPECT_EQ(sample_token(logits, {}, 0), 1);  // of equal ones the lowest
  std::vector<int> drawn(4), cold(4), few(4), nucleus(4);
  for (int64_t n = 0; n < 4000; ++n) {
    ++drawn[sample_token(logits, {.temperature = 1}, n)];
    ++cold[sample_token(logits, {.temperature = 0.5}, n)];
    ++few[sample_token(logits, {.temperature = 1, .top_k = 2}, n)];
    ++nucleus[sample_token(logits, {.temperature = 1, .top_p = 0.9}, n)];
  }
  // Probabilities e^0, e^2, e^1, e^2 over their sum: 0.054, 0.400, 0.147, 0.400; six sigma are
  // 0.05. At temperature 1/2 e^0, e^4, e^2, e^4: 0.0085, 0.4645, 0.0629.
  EXPECT_NEAR(drawn[0] / 4000.0, 0.054, 0.022);
  EXPECT_NEAR(drawn[1] / 4000.0, 0.400, 0.047);
  EXPECT_NEAR(drawn[2] / 4000.0, 0.147, 0.034);
  EXPECT_NEAR(cold[2] / 4000.0, 0.0629, 0.023);
  EXPECT_EQ(few[0] + few[2], 0);
  EXPECT_GT(few[3], 1500);  // the second likeliest is kept
  EXPECT_GT(nucleus[2], 0);
  EXPECT_EQ(nucleus[0], 0);
}

}  // namespace
}  // namespace tandem::engine
