// SPDX-License-Identifier: Apache-2.0
#include "rank/ranker.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "rank/ranker_files.h"
#include "rank/ranking_sample.h"
#include "support/llama_reference.h"
#include "support/ranker_world.h"
#include "tokenizer/files.h"

namespace tandem {
namespace {

class Rankers : public testing::Test {
 protected:
  std::vector<PromptIds> prompts(const Ranker& ranker, int count) {
    const ItemTitles titles(dataset_, ranker.cutter(), pool_);
    std::vector<PromptIds> result;
    for (int32_t i = 0; i < count; ++i) {
      const auto items = dataset_.items(i % dataset_.num_users());
      RankingSample sample{.history = items.first(1 + static_cast<size_t>(i) % items.size())};
      for (int32_t c = 0; c < 6; ++c) sample.candidates.push_back((i + 2 * c) % 15 + 1);
      result.push_back(ranker.encoder().encode(render_sample(ranker.config(), titles, sample)));
    }
    return result;
  }

  test::TemporaryFolder folder_;
  ThreadPool pool_{2};
  Dataset dataset_ = test::tiny_dataset(folder_);
  fs::path base_ = test::tiny_base(folder_, pool_);
};

// Prompts of different lengths, more than one packed batch of them.
TEST_F(Rankers, ScoresAreTheLettersLogitsAtTheLastPositionInPlainLoops) {
  PromptConfig config;
  config.num_candidates = 6;
  const Ranker ranker = load_ranker(base_, config);
  const auto reference = test::LlamaReference::read(base_);
  const auto some = prompts(ranker, 24);
  std::vector<PromptIds> all;
  for (size_t tokens = 0; tokens < 9000; tokens += all.back().size())
    all.push_back(some[all.size() % 24]);
  int64_t done = 0;
  const engine::Matrix scores =
      ranker.score(all, pool_, [&](int64_t now, const engine::Matrix&) { done = now; });
  EXPECT_EQ(done, std::ssize(all));
  ASSERT_EQ(scores.rows, std::ssize(all));
  ASSERT_EQ(scores.columns, 6);
  for (size_t i = 0; i < all.size(); i += 7) {
    const auto wanted = reference.logits(all[i]).back();
    for (int64_t c = 0; c < 6; ++c)
      EXPECT_NEAR(scores.row(static_cast<int64_t>(i))[c],
                  wanted[*ranker.encoder().tokenizer().find_piece(letter_of(c))], 1e-4)
          << i << ", " << c;
  }
  EXPECT_GT(std::abs(scores.row(0)[0] - scores.row(0)[1]), 1e-2);
}

TEST(LetterProbabilities, AddUpToOneOverThoseUsed) {
  const std::vector<float> scores{0, std::log(3.0f), 50};
  const auto two = letter_probabilities(scores, 2);
  ASSERT_EQ(two.size(), 2u);
  EXPECT_NEAR(two[0], 0.25, 1e-6);
  EXPECT_NEAR(two[1], 0.75, 1e-6);
}

TEST_F(Rankers, ARunNeedsNothingButItsFolder) {
  const Ranker from_base = load_ranker(base_);
  const fs::path run = folder_ / "run";
  fs::create_directories(run);
  fs::copy(base_, run / "model");
  RankerFiles files{.base = base_.string(),
                    .adapter = "",
                    .model = "model",
                    .tokenizer_sha256 = tokenizer_fingerprint(base_),
                    .dataset_fingerprint = "none",
                    .prompt = {},
                    .label_ids = from_base.verbalizer().ids};
  write_ranker_files(run, files);
  EXPECT_EQ(load_ranker(run).verbalizer().ids, from_base.verbalizer().ids);

  files.label_ids[3] += 1;
  write_ranker_files(run, files);
  EXPECT_THROW(load_ranker(run), DataError);
  files.label_ids[3] -= 1;
  files.tokenizer_sha256 = "another";
  write_ranker_files(run, files);
  EXPECT_THROW(load_ranker(run), DataError);
  files.label_ids.pop_back();
  write_ranker_files(run, files);
  EXPECT_THROW(load_ranker(run), FormatError);
}

TEST(ModelPrompt, IsWhatPretrainingLeftBesideTheModel) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(model_prompt(folder / "").history_item, PromptConfig{}.history_item);
  PromptConfig prompt;
  prompt.history_item = "{title}";
  prompt.max_history = 7;
  write_json(folder / kPromptFile, prompt.to_json());
  EXPECT_EQ(model_prompt(folder / "").history_item, "{title}");
  EXPECT_EQ(model_prompt(folder / "").max_history, 7);
}

}  // namespace
}  // namespace tandem
