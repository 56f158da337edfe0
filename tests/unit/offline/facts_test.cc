// SPDX-License-Identifier: Apache-2.0
#include "offline/facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "eval/candidate_lists.h"
#include "rank/ranker_files.h"
#include "support/ranker_world.h"
#include "tokenizer/files.h"

namespace tandem {
namespace {

std::string fingerprint(const RankingSample& sample) {
  Sha256 sha;
  add_sample(sha, sample);
  return sha.hex();
}

TEST(Facts, ASampleIsItsUserHistoryCandidatesOrderAndAnswer) {
  const std::vector<int32_t> history = {1, 2, 3};
  const RankingSample first{.user = 4, .history = history, .candidates = {7, 8, 9}, .answer = 1};
  const std::function<void(RankingSample&)> changes[] = {
      [](RankingSample& sample) { sample.user = 5; },
      [](RankingSample& sample) { sample.history = sample.history.items().first(2); },
      [](RankingSample& sample) { sample.candidates[0] = 6; },
      [](RankingSample& sample) { std::swap(sample.candidates[0], sample.candidates[2]); },
      [](RankingSample& sample) { sample.answer = 2; }};
  std::set<std::string> found{fingerprint(first)};
  for (const auto& change : changes) {
    RankingSample other = first;
    change(other);
    found.insert(fingerprint(other));
  }
  EXPECT_EQ(found.size(), 6U);
  EXPECT_TRUE(found.contains(fingerprint(RankingSample(first))));
}

// Two models of one second stage; the letters' shows other titles.
class StageFacts : public testing::Test {
 protected:
  StageFacts() : dataset_(test::tiny_dataset(folder_)), base_(test::tiny_base(folder_, pool_)) {
    prompt_.num_candidates = 3;
    prompt_.title_truncation = "chars:9";
    models_.letters = model("chars:8");
    models_.likelihood = model("chars:9");
    stage_.candidates.num_users = 1;
    stage_.candidates.num_candidates = 3;
    stage_.candidates.items = {1, 2, 3};
    stage_.candidates.target = {2};
    stage_.samples = {{.user = 0, .history = history_, .candidates = {1, 2, 3}, .answer = 1}};
  }

  std::unique_ptr<TitledRanker> model(const std::string& truncation) {
    PromptConfig prompt = prompt_;
    prompt.title_truncation = truncation;
    auto model = std::make_unique<TitledRanker>(load_ranker(base_, prompt), dataset_, pool_);
    model->tokenizer = model_tokenizer(base_);
    return model;
  }
  std::string prompts(const PromptConfig& prompt) const {
    return prompts_fingerprint(prompt, models_.letters->titles, stage_.samples);
  }

  test::TemporaryFolder folder_;
  ThreadPool pool_{1};
  Dataset dataset_;
  fs::path base_;
  PromptConfig prompt_;
  const std::vector<int32_t> history_ = {4, 5, 6};
  SecondStage stage_;
  SecondStageModels models_;
};

TEST_F(StageFacts, EachSystemTellsWhatItRead) {
  const std::string lists = lists_fingerprint(stage_.candidates);
  EXPECT_EQ(system_facts("lrurec", stage_, nullptr, models_), (Json{{"candidates", lists}}));
  const Json letters = system_facts("letters", stage_, nullptr, models_);
  EXPECT_EQ(letters, (Json{{"candidates", lists},
                           {"titles", models_.letters->titles.fingerprint()},
                           {"title_truncation", "chars:8"},
                           {"tokenizer", tokenizer_fingerprint(base_)},
                           {"prompts", prompts(models_.letters->ranker.config())},
                           {"verbalizer", "exact"}}));
  const Json likelihood = system_facts("likelihood", stage_, nullptr, models_);
  EXPECT_EQ(likelihood.at("titles"), models_.likelihood->titles.fingerprint());
  EXPECT_NE(likelihood.at("titles"), letters.at("titles"));
  EXPECT_FALSE(likelihood.contains("prompts"));  // shows no candidates

  SecondStage valid = stage_;
  valid.candidates.items = {3, 2, 1};
  Json fused = system_facts("fused", stage_, &valid, models_);
  EXPECT_EQ(fused.at("candidates_valid"), lists_fingerprint(valid.candidates));
  fused.erase("candidates_valid");
  EXPECT_EQ(fused, letters);
  models_.letters.reset();
  EXPECT_EQ(system_facts("fused", stage_, &valid, models_).at("titles"), likelihood.at("titles"));
}

TEST_F(StageFacts, PromptsAreTheirText) {
  const std::function<void(PromptConfig&)> changes[] = {
      [](PromptConfig& p) { p.text += "\n"; }, [](PromptConfig& p) { p.history_item = "{title}"; },
      [](PromptConfig& p) { p.candidate_item = "{letter}: {title}"; },
      [](PromptConfig& p) { p.separator = ", "; }, [](PromptConfig& p) { p.max_history = 2; }};
  std::set<std::string> found{prompts(prompt_)};
  for (const auto& change : changes) {
    PromptConfig other = prompt_;
    change(other);
    found.insert(prompts(other));
  }
  EXPECT_EQ(found.size(), 6U);
  PromptConfig same = prompt_;
  same.verbalizer = "compat";  // is no text
  EXPECT_TRUE(found.contains(prompts(same)));
  stage_.samples.push_back(stage_.samples[0]);
  EXPECT_FALSE(found.contains(prompts(prompt_)));
}

}  // namespace
}  // namespace tandem
