// SPDX-License-Identifier: Apache-2.0
// Pre-training's texts: what is trained, what is held out, and the loss of either.
#include "learn/pretrain/pretrain_task.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <memory>
#include <numeric>
#include <string>
#include <string_view>

#include "core/error.h"
#include "support/ranker_world.h"

namespace tandem::learn {
namespace {

using Texts = std::vector<std::vector<int32_t>>;

// 40 users of 3 to 11 events; no two share an item.
Dataset unlike_users(const test::TemporaryFolder& folder) {
  DenseLog log;  // of views
  std::deque<std::string> names;
  const auto name = [&](std::string text) { return std::string_view(names.emplace_back(text)); };
  log.offsets.push_back(0);
  for (int user = 0; user < 40; ++user) {
    log.user_ids.push_back(name(fmt::format("u{:02}", user)));
    for (int t = 0; t < 3 + user % 9; ++t) {
      log.item_ids.push_back(name(fmt::format("i{:03}", log.items.size())));
      log.titles.push_back(name(fmt::format("Film {}", log.items.size())));
      log.items.push_back(static_cast<int32_t>(log.items.size()) + 1);
      log.timestamps.push_back(100 + t);
      log.ratings.push_back(1);
    }
    log.offsets.push_back(log.items.size());
  }
  fs::create_directories(folder / "data");
  write_dataset_files(folder / "data", log, Json::object());
  return Dataset::open(folder / "data");
}

class PretrainTextsTest : public testing::Test {
 protected:
  PretrainTextsTest() {
    config_.valid_share = 0.4;
    config_.valid_texts = 0;
    config_.prompt.max_history = 3;
    config_.prompt.history_item = "{number}. {title}";
    config_.prompt.separator = ", ";
  }

  // A user's texts, newest first: training items in threes from the end, what is left if two.
  Texts texts_of(const Dataset& dataset, int64_t user) {
    const PromptEncoder encoder(*tokenizer_, config_.prompt);
    const auto items = train_items(dataset, user);
    Texts texts;
    for (int64_t end = std::ssize(items); end >= 2; end -= 3) {
      std::string text;
      const int64_t begin = std::max<int64_t>(0, end - 3);
      if (end - begin < 2) break;
      for (int64_t i = begin; i < end; ++i)
        text += fmt::format("{}{}. Film {}", i > begin ? ", " : "", i - begin + 1, items[i] - 1);
      texts.push_back(encoder.encode(text));
      texts.back().push_back(encoder.eos());
    }
    return texts;
  }

  test::TemporaryFolder folder_;
  ThreadPool pool_{2};
  fs::path base_ = test::tiny_base(folder_, pool_);
  std::unique_ptr<Tokenizer> tokenizer_ = load_tokenizer(base_);
  PretrainConfig config_;
};

TEST_F(PretrainTextsTest, AUserIsTrainedOrHeldOutNeverBoth) {
  const Dataset dataset = unlike_users(folder_);
  const PretrainTexts texts = history_texts(dataset, *tokenizer_, config_, pool_);
  Texts train = texts.train, valid = texts.valid;
  int64_t held_out = 0, users = 0;
  for (int64_t user = 0; user < dataset.num_users(); ++user) {
    SCOPED_TRACE(user);
    const Texts want = texts_of(dataset, user);
    if (want.empty()) continue;
    ++users;
    const bool trained = std::ranges::find(train, want.front()) != train.end();
    held_out += !trained;
    Texts& own = trained ? train : valid;
    ASSERT_GE(own.size(), want.size());
    EXPECT_TRUE(std::equal(want.begin(), want.end(), own.begin())) << "users in order";
    own.erase(own.begin(), own.begin() + std::ssize(want));
  }
  EXPECT_TRUE(train.empty()) << "texts of nobody";
  EXPECT_TRUE(valid.empty()) << "texts of nobody, or of trained users";
  EXPECT_GT(held_out, users / 5);
  EXPECT_LT(held_out, users * 3 / 5);

  config_.seed = 43;
  EXPECT_NE(history_texts(dataset, *tokenizer_, config_, pool_).valid, texts.valid);
  config_.seed = 42;
  config_.valid_texts = 3;
  const PretrainTexts few = history_texts(dataset, *tokenizer_, config_, pool_);
  EXPECT_EQ(few.train, texts.train);
  EXPECT_EQ(few.valid, Texts(texts.valid.begin(), texts.valid.begin() + 3));
  EXPECT_NE(few.fingerprint, texts.fingerprint);
}

TEST_F(PretrainTextsTest, ALineIsTrainedOrHeldOutNeverBoth) {
  fs::create_directories(folder_ / "text");
  PromptConfig whole;
  whole.max_tokens = 1 << 20;
  const PromptEncoder encoder(*tokenizer_, whole);
  Texts lines;
  for (const char* name : {"a.txt", "b.txt", "skipped.md"}) {
    std::string text;
    for (int line = 0; line < 30; ++line) {
      const std::string content = fmt::format("{} line {}", name, line * 37 % 101);
      text += content + (line % 7 == 0 ? "\n\n" : "\n");
      if (std::string_view(name) == "skipped.md") continue;
      lines.push_back(encoder.encode(content));
      lines.back().push_back(encoder.eos());
    }
    write_file(folder_ / "text" / name, text);
  }
  config_.block = 16;
  const PretrainTexts texts = document_texts(folder_ / "text", *tokenizer_, config_);
  const auto stream = [&](const Texts& blocks) {
    std::vector<int32_t> all;
    for (const std::vector<int32_t>& block : blocks) {
      EXPECT_LE(block.size(), 16u);
      all.insert(all.end(), block.begin(), block.end());
    }
    return all;
  };
  const std::vector<int32_t> train = stream(texts.train), valid = stream(texts.valid);
  size_t train_at = 0, valid_at = 0, held_out = 0;
  for (const std::vector<int32_t>& line : lines) {
    const auto goes_on = [&](const std::vector<int32_t>& all, size_t at) {
      return at + line.size() <= all.size() && std::equal(line.begin(), line.end(), &all[at]);
    };
    if (goes_on(train, train_at)) {
      train_at += line.size();
    } else {
      ASSERT_TRUE(goes_on(valid, valid_at)) << "a line is in neither part";
      valid_at += line.size();
      ++held_out;
    }
  }
  EXPECT_EQ(train_at, train.size());
  EXPECT_EQ(valid_at, valid.size());
  EXPECT_GT(held_out, 12u);
  EXPECT_LT(held_out, 36u);
}

TEST_F(PretrainTextsTest, LossAndValidationAreTheMeanOverAllTokens) {
  const Dataset dataset = test::tiny_dataset(folder_);
  const auto source = open_llama(base_);
  Llama model(*source_weights(source), {.train_base = true});
  const PretrainTexts texts = history_texts(dataset, *tokenizer_, config_, pool_);
  const PretrainTask task(model, *source, *tokenizer_, config_, texts);
  const auto mean_loss = [&](const Texts& some) {
    const at::NoGradGuard no_grad;
    double sum = 0;
    int64_t tokens = 0;
    for (const std::vector<int32_t>& ids : some) {
      const std::vector<int64_t> wide(ids.begin(), ids.end());
      const at::Tensor logits = model.logits(
          model.hidden({.tokens = at::tensor(wide, at::kLong),
                        .row_starts = at::tensor({int64_t{0}, std::ssize(wide)}, at::kLong)},
                       nullptr));
      const at::Tensor log = at::log_softmax(logits, 1);
      for (size_t t = 1; t < ids.size(); ++t, ++tokens)
        sum -= log[static_cast<int64_t>(t) - 1][ids[t]].item<double>();
    }
    return std::pair(sum / static_cast<double>(tokens), tokens);
  };
  const auto [valid_loss, valid_tokens] = mean_loss(texts.valid);
  const ValidationResult result = task.validate(world(), pool_);
  EXPECT_NEAR(result.value, valid_loss, 1e-5 * valid_loss);
  EXPECT_EQ(result.metrics["tokens"], valid_tokens);
  EXPECT_EQ(result.metrics["texts"], texts.valid.size());
  EXPECT_NEAR(result.metrics["perplexity"].get<double>(), std::exp(valid_loss), 1e-3);
  EXPECT_TRUE(task.lower_is_better());
  EXPECT_EQ(task.validated_on(), fmt::format("{} held-out texts", texts.valid.size()));

  std::vector<int64_t> samples(texts.train.size());
  std::iota(samples.begin(), samples.end(), int64_t{0});
  const auto [train_loss, train_tokens] = mean_loss(texts.train);
  EXPECT_EQ(task.num_labels(samples, 0), train_tokens);
  EXPECT_NEAR(task.add_gradients({.samples = samples, .begin = 0, .end = std::ssize(samples)}, 0.5),
              0.5 * train_loss, 1e-5 * train_loss);
}

}  // namespace
}  // namespace tandem::learn
