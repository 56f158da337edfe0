// SPDX-License-Identifier: Apache-2.0
// A ranker's loss with soft targets and the history's language loss, against a slow twin.
#include "learn/ranker/ranker_task.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <set>

#include "core/error.h"
#include "eval/candidate_lists.h"
#include "learn/trainer/validation_metrics.h"
#include "offline/facts.h"
#include "support/ranker_world.h"
#include "unit/learn/op_gradient.h"

namespace tandem::learn {
namespace {

class OpenTask : public RankerTask {
 public:
  using RankerTask::RankerTask;
  using RankerTask::texts;
};

class RankerLoss : public testing::Test {
 protected:
  RankerLoss() {
    config_.tuning = Tuning::kFull;
    config_.prompt.num_candidates = 5;
    config_.prompt.max_history = 3;
    // No token lies half in the history, so that the twin finds it by encoding what is in front.
    config_.prompt.text = "History:\n{history}\nCandidates:\n{candidates}\nAnswer:\n";
    inputs_.valid.num_users = dataset_.num_users();
    inputs_.valid.num_candidates = 5;
    inputs_.valid.num_items = dataset_.num_items();
    inputs_.valid.split = "valid";
    inputs_.valid.fingerprint = dataset_.fingerprint();
    for (int64_t user = 0; user < dataset_.num_users(); ++user) {
      const int32_t target = *target_item(dataset_, user, Split::kValid);
      for (int32_t place = 0; place < 5; ++place)
        inputs_.valid.items.push_back((target + place - 1) % 15 + 1);
      inputs_.valid.scores.insert(inputs_.valid.scores.end(), {5, 4, 3, 2, 1});
      inputs_.valid.target.push_back(target);
      inputs_.valid.rank.push_back(1);
    }
  }

  OpenTask task() {
    inputs_.teacher = config_.soft_target > 0
                          ? std::make_unique<const Ranker>(load_ranker(base_, config_.prompt))
                          : nullptr;
    return {*model_, *source_, *tokenizer_, dataset_, config_, inputs_, pool_};
  }

  // Logits behind each token of a sequence, with autograd.
  at::Tensor logits(const std::vector<int32_t>& ids) const {
    const std::vector<int64_t> wide(ids.begin(), ids.end());
    const at::Tensor states =
        model_->hidden({.tokens = at::tensor(wide, at::kLong),
                        .row_starts = at::tensor({int64_t{0}, std::ssize(wide)}, at::kLong)},
                       nullptr);
    return at::log_softmax(at::matmul(states, model_->parameters().front().value.t()), 1);
  }

  // log P of a title behind the newest max_history - 1 items, but for what all titles share.
  double likelihood(const RankingSample& sample, int32_t item, const ItemTitles& titles,
                    const PromptEncoder& encoder) const {
    std::vector<std::string> text;
    const auto shown = std::min<size_t>(sample.history.size(), config_.prompt.max_history - 1);
    for (const int32_t known : sample.history.newest(shown)) text.push_back(titles[known]);
    text.push_back(titles[item]);
    const std::vector<int32_t> ids = encoder.encode(render_history(config_.prompt, text));
    const at::Tensor all = logits(ids);
    double sum = 0;
    for (size_t t = 1; t < ids.size(); ++t)
      sum += all[static_cast<int64_t>(t) - 1][ids[t]].item<double>();
    return sum;
  }

  // The loss as the header of RankerTask states it.
  at::Tensor slow_loss(std::span<const int64_t> samples) const {
    const PromptEncoder encoder(*tokenizer_, config_.prompt);
    const TitleCutter cutter(config_.prompt, *tokenizer_);
    ThreadPool pool(1);
    const ItemTitles titles(dataset_, cutter, pool);
    const Verbalizer verbalizer = make_verbalizer(encoder, config_.prompt);
    const auto prefixes = training_prefixes(dataset_);
    at::Tensor total = at::zeros({}, at::kFloat);
    for (const int64_t number : samples) {
      const RankingSample sample = uniform_sample(dataset_, prefixes[number], 5, 42, 0, number);
      const std::string prompt = render_sample(config_.prompt, titles, sample);
      const auto full = encoder.encode_training(prompt, letter_of(sample.answer));
      const at::Tensor all = logits(full.ids);
      const auto loss_at = [&](int64_t position, int64_t token) {
        return -all[position - 1][token];
      };
      std::vector<double> scores;
      for (const int32_t item : sample.candidates)
        scores.push_back(likelihood(sample, item, titles, encoder));
      const at::Tensor shares = at::softmax(at::tensor(scores, at::kDouble), 0);
      at::Tensor letter =
          loss_at(full.letter, verbalizer.ids[sample.answer]) * (1 - config_.soft_target);
      for (size_t c = 0; c < scores.size(); ++c)
        letter = letter + loss_at(full.letter, verbalizer.ids[c]) * config_.soft_target *
                              shares[static_cast<int64_t>(c)].item<double>();
      at::Tensor answer = letter;
      if (config_.train_eos) answer = (answer + loss_at(full.eos, full.ids.back())) / 2;
      // The history is what encodes to the same tokens alone, behind the prompt's fixed beginning.
      const std::string head = config_.prompt.text.substr(0, config_.prompt.text.find("{history}"));
      const auto begin = std::ssize(encoder.encode(head));
      const auto end =
          std::ssize(encoder.encode(head + render_sample_history(config_.prompt, titles, sample)));
      at::Tensor language = at::zeros({}, at::kFloat);
      for (int64_t t = begin; t < end; ++t) language = language + loss_at(t, full.ids[t]);
      total = total + answer + language * (config_.language / static_cast<double>(end - begin));
    }
    return total / static_cast<double>(samples.size());
  }

  std::vector<at::Tensor> take_gradients() const {
    std::vector<at::Tensor> gradients;
    for (const NamedParameter& parameter : model_->parameters()) {
      gradients.push_back(parameter.value.grad().clone());
      parameter.value.mutable_grad().reset();
    }
    return gradients;
  }

  void expect_the_twins_loss_and_gradients() {
    const OpenTask task = this->task();
    std::vector<int64_t> samples(task.num_samples());
    std::iota(samples.begin(), samples.end(), int64_t{0});
    samples.resize(6);
    const at::Tensor want = slow_loss(samples);
    want.backward();
    const auto want_gradients = take_gradients();
    const double loss = task.add_gradients({.samples = samples, .begin = 0, .end = 6}, 1.0);
    EXPECT_NEAR(loss, want.item<double>(), 2e-5 * want.item<double>());
    const auto gradients = take_gradients();
    for (size_t i = 0; i < gradients.size(); ++i)
      EXPECT_LT(test::relative_difference(gradients[i], want_gradients[i]), 1e-4)
          << model_->parameters()[i].name;
    // In two parts, weighted by their labels, as accumulation and processes do.
    double parts = task.add_gradients({.samples = samples, .begin = 0, .end = 2}, 2.0 / 6);
    parts += task.add_gradients({.samples = samples, .begin = 2, .end = 6}, 4.0 / 6);
    EXPECT_NEAR(parts, loss, 1e-5 * loss);
    take_gradients();
  }

  test::TemporaryFolder folder_;
  ThreadPool pool_{2};
  Dataset dataset_ = test::tiny_dataset(folder_);
  fs::path base_ = test::tiny_base(folder_, pool_);
  std::unique_ptr<Tokenizer> tokenizer_ = load_tokenizer(base_);
  std::shared_ptr<const LlamaSource> source_ = open_llama(base_);
  std::unique_ptr<Llama> model_ =
      std::make_unique<Llama>(*source_weights(source_), LlamaOptions{.train_base = true});
  RankerConfig config_;
  RankerInputs inputs_;
};

TEST_F(RankerLoss, OfTheLetterAndTheEndAlone) { expect_the_twins_loss_and_gradients(); }

TEST_F(RankerLoss, WithSoftTargets) {
  config_.soft_target = 0.7;
  expect_the_twins_loss_and_gradients();
}

TEST_F(RankerLoss, WithSoftTargetsAndLanguage) {
  config_.soft_target = 0.7;
  config_.language = 0.2;
  expect_the_twins_loss_and_gradients();
  config_.train_eos = false;
  expect_the_twins_loss_and_gradients();
}

// A validation ranks the letters' logits behind each user's prompt.
TEST_F(RankerLoss, ValidationRanksTheLettersOfEachUser) {
  const PromptEncoder encoder(*tokenizer_, config_.prompt);
  const TitleCutter cutter(config_.prompt, *tokenizer_);
  const ItemTitles titles(dataset_, cutter, pool_);
  const Verbalizer verbalizer = make_verbalizer(encoder, config_.prompt);
  std::vector<int32_t>& shown = inputs_.valid.items;  // the answer under every letter
  for (int64_t user = 0; user < inputs_.valid.num_users; ++user)
    std::rotate(shown.begin() + 5 * user, shown.begin() + 5 * user + user % 5,
                shown.begin() + 5 * user + 5);
  std::vector<int64_t> ranks;
  for (const RankingSample& sample : subset_samples(dataset_, inputs_.valid, 5)) {
    ASSERT_EQ(sample.candidates[sample.answer], *target_item(dataset_, sample.user, Split::kValid));
    const auto ids = encoder.encode(render_sample(config_.prompt, titles, sample));
    const at::Tensor last = logits(ids)[std::ssize(ids) - 1];
    const auto of = [&](int64_t letter) { return last[verbalizer.ids[letter]].item<float>(); };
    int64_t rank = 1;
    for (int64_t letter = 0; letter < 5; ++letter)
      rank += letter != sample.answer && of(letter) >= of(sample.answer);
    ranks.push_back(rank);
  }
  ASSERT_EQ(ranks.size(), 12u);
  EXPECT_GT(std::ranges::max(ranks), std::ranges::min(ranks)) << "the ranks must differ";
  config_.metric = "MRR@5";
  const ValidationResult result = task().validate(world(), pool_);
  EXPECT_EQ(result.metrics, metrics_of_ranks(ranks).to_json());
  EXPECT_EQ(result.value, metrics_of_ranks(ranks).value("MRR@5"));
  config_.valid_users = 4;
  ranks.resize(4);
  EXPECT_EQ(task().validate(world(), pool_).metrics, metrics_of_ranks(ranks).to_json());
}

// The samples that are trained, drawn a second time.
TEST_F(RankerLoss, FactsAreTheFirstEpochsSamplesTheCandidatesAndTheTitles) {
  const auto prefixes = training_prefixes(dataset_);
  Sha256 drawn;
  for (int64_t i = 0; i < std::ssize(prefixes); ++i)
    add_sample(drawn, uniform_sample(dataset_, prefixes[i], 5, 42, 0, i));
  const Json facts = task().facts();
  EXPECT_EQ(facts.at("first_epoch"), drawn.hex());
  EXPECT_EQ(facts.at("candidates_valid"), lists_fingerprint(inputs_.valid));

  config_.seed = 43;
  const Json other_seed = task().facts();
  EXPECT_NE(other_seed.at("first_epoch"), facts.at("first_epoch"));
  EXPECT_EQ(other_seed.at("titles"), facts.at("titles"));
  config_.seed = 42;
  config_.prompt.title_truncation = "chars:3";
  const Json other_titles = task().facts();
  EXPECT_EQ(other_titles.at("first_epoch"), facts.at("first_epoch"));
  EXPECT_NE(other_titles.at("titles"), facts.at("titles"));

  // A retriever's candidates: its lists, whether they are shuffled, and which prompts are trained.
  config_.negatives = Negatives::kRetriever;
  config_.order = CandidateOrder::kRetrieval;
  inputs_.train.num_candidates = 5;
  for (const TrainingPrefix& prefix : prefixes) {
    const int32_t answer =
        train_items(dataset_, prefix.user)[static_cast<size_t>(prefix.length) - 1];
    for (int32_t place = 0; place < 5; ++place)
      inputs_.train.items.push_back((answer + place - 1) % 15 + 1);
    inputs_.train.answer_rank.push_back(1);
  }
  std::set<std::string> found{facts.at("first_epoch").get<std::string>()};
  const auto add = [&] { found.insert(task().facts().at("first_epoch").get<std::string>()); };
  add();
  std::swap(inputs_.train.items[1], inputs_.train.items[2]);
  add();
  config_.order = CandidateOrder::kShuffled;
  add();
  config_.only_retrieved = true;
  inputs_.train.answer_rank[0] = 0;
  add();
  EXPECT_EQ(found.size(), 5U);
}

TEST_F(RankerLoss, LanguageLabelsAreTheHistorysTokens) {
  config_.language = 0.5;
  const OpenTask task = this->task();
  const int64_t sample = task.num_samples() - 1;
  const SupervisedText text = task.texts({&sample, 1}, 0).front();
  ASSERT_EQ(text.labels.size(), text.positions.size());
  ASSERT_EQ(text.labels.size(), text.weights.size());
  std::vector<int32_t> history(text.labels.begin(), text.labels.end() - 2);
  const std::string written = tokenizer_->decode(history);
  EXPECT_NE(written.find("Film number"), std::string::npos) << written;
  EXPECT_EQ(written.find("Candidate"), std::string::npos) << written;
  EXPECT_EQ(written.find("History"), std::string::npos) << written;
  double sum = 0;
  for (size_t i = 0; i + 2 < text.weights.size(); ++i) sum += text.weights[i];
  EXPECT_NEAR(sum, 0.5 * 2, 1e-12);  // of two answer labels
  EXPECT_EQ(text.weights.back(), 1);
  EXPECT_TRUE(std::ranges::is_sorted(text.positions));
}

TEST_F(RankerLoss, SoftTargetsDependOnTheSampleAlone) {
  config_.soft_target = 1;
  const OpenTask task = this->task();
  const std::vector<int64_t> all{3, 1, 8, 2};
  const auto together = task.texts(all, 1), again = task.texts(all, 1);
  for (size_t i = 0; i < all.size(); ++i) {
    const auto alone = task.texts(std::span(all).subspan(i, 1), 1).front();
    ASSERT_EQ(together[i].soft.size(), 5u);
    double sum = 0;
    for (size_t c = 0; c < 5; ++c) {
      EXPECT_EQ(together[i].soft[c].weight, again[i].soft[c].weight);
      EXPECT_NEAR(together[i].soft[c].weight, alone.soft[c].weight, 1e-5);
      sum += together[i].soft[c].weight;
    }
    EXPECT_NEAR(sum, 1, 1e-9);
    EXPECT_EQ(together[i].weights[together[i].labels.size() - 2], 0);
  }
}

TEST(RankerConfig, RefusesWhatCannotBe) {
  const auto with = [](const std::function<void(RankerConfig&)>& change) {
    RankerConfig config;
    change(config);
    config.validate();
  };
  with([](RankerConfig& config) {
    config.negatives = Negatives::kCrossfit, config.order = CandidateOrder::kRetrieval;
  });
  EXPECT_THROW(with([](RankerConfig& c) { c.order = CandidateOrder::kRetrieval; }), ConfigError);
  EXPECT_THROW(with([](RankerConfig& c) { c.soft_target = 1.5; }), ConfigError);
  EXPECT_THROW(with([](RankerConfig& c) { c.language = -1; }), ConfigError);
}

}  // namespace
}  // namespace tandem::learn
