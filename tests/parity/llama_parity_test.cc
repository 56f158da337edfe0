// SPDX-License-Identifier: Apache-2.0
// The Llama family in training, in the engine and in plain loops: one model in every variant.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "engine/llama/llama.h"
#include "formats/peft_folder.h"
#include "learn/llama/llama.h"
#include "models/llama_merge.h"
#include "support/llama_reference.h"
#include "support/random_retriever.h"

namespace tandem {
namespace {

using test::LlamaReference;
using Tokens = std::vector<int32_t>;

// Float32 against double, relative to the largest; bfloat16 has operands of 8 bits.
constexpr double kFloat = 5e-6, kBfloat16 = 8e-2;

Tokens random_tokens(int64_t count, uint64_t sample) {
  Rng rng(5, RngPurpose::kTest, 0, sample);
  Tokens tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<int32_t>(rng.below(61)));
  return tokens;
}

// Packed rows of 7, 1, 30 and 12 tokens.
struct Batch {
  Batch() {
    std::vector<int64_t> starts{0}, tokens;
    for (const int64_t length : {7, 1, 30, 12}) {
      rows.push_back(random_tokens(length, static_cast<uint64_t>(length)));
      sequences.push_back({length});
      tokens.insert(tokens.end(), rows.back().begin(), rows.back().end());
      flat.insert(flat.end(), rows.back().begin(), rows.back().end());
      starts.push_back(std::ssize(tokens));
    }
    packed = {at::tensor(tokens, at::kLong), at::tensor(starts, at::kLong)};
  }

  std::vector<Tokens> rows;
  Tokens flat;
  learn::PackedTokens packed;
  std::vector<engine::LlamaSequence> sequences;
};

LlamaReference::Vector numbers(const at::Tensor& values) {
  const at::Tensor flat = values.detach().to(at::kDouble).contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}
LlamaReference::Vector numbers(const engine::Matrix& values) {
  return {values.values.begin(), values.values.end()};
}
LlamaReference::Vector reference_logits(const LlamaReference& model, const Batch& batch) {
  LlamaReference::Vector all;
  for (const Tokens& row : batch.rows)
    for (const LlamaReference::Vector& scores : model.logits(row))
      all.insert(all.end(), scores.begin(), scores.end());
  return all;
}

double relative_difference(const LlamaReference::Vector& found,
                           const LlamaReference::Vector& wanted) {
  EXPECT_EQ(found.size(), wanted.size());
  double largest = 0, scale = 0;
  for (size_t i = 0; i < std::min(found.size(), wanted.size()); ++i) {
    largest = std::max(largest, std::abs(found[i] - wanted[i]));
    scale = std::max(scale, std::abs(wanted[i]));
  }
  return largest / scale;
}

LlamaReference::Vector engine_logits(const engine::Llama& model, const Batch& batch) {
  ThreadPool pool(2);
  return numbers(
      model.logits(model.hidden(model.embed(batch.flat), batch.sequences, 0, pool), pool));
}

LlamaReference::Vector learn_logits(const learn::Llama& model, const Batch& batch,
                                    const at::Tensor& wanted = {}) {
  at::NoGradGuard no_grad;
  return numbers(model.logits(model.hidden(batch.packed, nullptr, wanted)));
}

learn::Llama learn_model(const fs::path& folder, const learn::LlamaOptions& options = {}) {
  return {*learn::source_weights(open_llama(folder)), options};
}

TEST(LlamaParity, LearnEngineAndReferenceAgreeInEveryVariant) {
  const Batch batch;
  for (const test::LlamaVariant& variant : test::llama_variants()) {
    SCOPED_TRACE(variant.name);
    const test::TemporaryFolder folder;
    const LlamaReference reference = LlamaReference::random(variant.config, 7);
    reference.write(folder.path());
    const auto want = reference_logits(reference, batch);
    for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
      const double limit = precision == Precision::kFloat32 ? kFloat : kBfloat16;
      const auto by_engine = engine_logits(engine::Llama(folder.path(), {}, precision), batch);
      const learn::Llama model = learn_model(folder.path(), {.precision = precision});
      const auto by_learn = learn_logits(model, batch);
      EXPECT_LT(relative_difference(by_engine, want), limit);
      EXPECT_LT(relative_difference(by_learn, want), limit);
      // The head of learn is float32 in either precision, the engine's is not.
      EXPECT_LT(relative_difference(by_learn, by_engine), 2 * limit);

      // Positions 6 (the last of its row), 7 (alone), 20 and 49 (the last of all).
      LlamaReference::Vector some;
      for (const int64_t position : {6, 7, 20, 49})
        some.insert(some.end(), want.begin() + 61 * position, want.begin() + 61 * (position + 1));
      const at::Tensor wanted = at::tensor({6, 7, 20, 49}, at::kLong);
      EXPECT_LT(relative_difference(learn_logits(model, batch, wanted), some), limit);
    }
  }
}

// The gradient of the mean cross-entropy at six positions by two entries of every weight, against
// central differences of the reference.
TEST(LlamaParity, GradientsEqualDifferencesOfTheReference) {
  const std::vector<Tokens> rows{random_tokens(9, 1), random_tokens(4, 2)};
  // Of each row: position, label.
  const std::vector<std::vector<std::pair<int64_t, int64_t>>> asked{
      {{0, 5}, {4, 60}, {7, 1}, {8, 2}}, {{1, 0}, {3, 33}}};
  const learn::PackedTokens packed{[&] {
                                     std::vector<int64_t> all(rows[0].begin(), rows[0].end());
                                     all.insert(all.end(), rows[1].begin(), rows[1].end());
                                     return at::tensor(all, at::kLong);
                                   }(),
                                   at::tensor({0, 9, 13}, at::kLong)};
  const learn::SupervisedPositions supervised{at::tensor({0, 4, 7, 8, 10, 12}, at::kLong),
                                              at::tensor({5, 60, 1, 2, 0, 33}, at::kLong)};
  const auto loss_of = [&](const LlamaReference& model) {
    double loss = 0;
    for (size_t r = 0; r < rows.size(); ++r) {
      const LlamaReference::Rows scores = model.logits(rows[r]);
      for (const auto& [position, label] : asked[r])
        loss -= LlamaReference::log_probability(scores[position], label) / 6;
    }
    return loss;
  };
  for (const test::LlamaVariant& variant : test::llama_variants()) {
    SCOPED_TRACE(variant.name);
    const test::TemporaryFolder folder;
    LlamaReference reference = LlamaReference::random(variant.config, 7);
    reference.write(folder.path());
    const learn::Llama model =
        learn_model(folder.path(), {.train_base = true, .checkpoint_layers = true});
    const at::Tensor loss = model.loss(packed, supervised, nullptr);
    EXPECT_NEAR(loss.item<double>(), loss_of(reference), 1e-5);
    loss.backward();
    EXPECT_EQ(model.parameters().size(), reference.weights.size());
    Rng rng(3);
    for (const learn::NamedParameter& parameter : model.parameters()) {
      const auto gradient = numbers(parameter.value.grad());
      LlamaReference::Vector& values = reference.weights.at(parameter.name).values;
      ASSERT_EQ(gradient.size(), values.size());
      double largest = 0;
      size_t at = 0;  // of the largest gradient, and one drawn
      for (size_t i = 0; i < gradient.size(); ++i) {
        if (std::abs(gradient[i]) <= largest) continue;
        largest = std::abs(gradient[i]);
        at = i;
      }
      for (const size_t entry : {at, static_cast<size_t>(rng.below(values.size()))}) {
        constexpr double kStep = 1e-4;
        const double before = values[entry];
        values[entry] = before + kStep;
        const double above = loss_of(reference);
        values[entry] = before - kStep;
        const double below = loss_of(reference);
        values[entry] = before;
        EXPECT_NEAR(gradient[entry], (above - below) / (2 * kStep), 1e-4 * largest + 1e-6)
            << parameter.name << ", entry " << entry;
      }
    }
  }
}

// Adapters of rank 3 and alpha 7.5 on four kinds of projections: scale 2.5.
struct Adapted {
  explicit Adapted(const LlamaReference& base) : reference(base) {
    reference.write(folder.path() / "base");
    learn::LoraConfig config{.rank = 3, .alpha = 7.5, .dropout = 0.5};
    config.targets = {"q_proj", "v_proj", "o_proj", "down_proj"};
    model.emplace(learn_model(folder.path() / "base", {.lora = config}));
    at::NoGradGuard no_grad;
    Rng rng(8);
    for (const learn::NamedParameter& parameter : model->parameters()) {
      std::vector<float>& values = data[parameter.name];
      values.resize(parameter.value.numel());
      for (float& value : values) value = static_cast<float>(0.3 * rng.normal());
      std::copy(values.begin(), values.end(), parameter.value.data_ptr<float>());
    }
    for (int layer = 0; layer < 3; ++layer) {
      const std::string prefix = fmt::format("model.layers.{}.", layer);
      for (const char* name :
           {"self_attn.q_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.down_proj"}) {
        const std::string key = "base_model.model." + prefix + name;
        reference.add_low_rank(prefix + name, 3, data.at(key + ".lora_A.weight"),
                               data.at(key + ".lora_B.weight"), 2.5);
      }
    }
  }

  // As PEFT stores it. scale 2.5 in the way that the configuration says.
  fs::path write(const PeftConfig& config) {
    std::vector<TensorView> views;
    for (const auto& [name, values] : data) {
      const bool is_a = name.ends_with("lora_A.weight");
      const auto other = static_cast<int64_t>(values.size()) / 3;
      views.push_back({name, DType::kF32,
                       is_a ? std::vector<int64_t>{3, other} : std::vector<int64_t>{other, 3},
                       std::as_bytes(std::span(values))});
    }
    const fs::path path = folder.path() / "adapter";
    fs::create_directories(path);
    write_peft_folder(path, config, views);
    return path;
  }

  test::TemporaryFolder folder;
  LlamaReference reference;  // with the adapters in its weights
  std::map<std::string, std::vector<float>> data;
  std::optional<learn::Llama> model;
};

TEST(LlamaParity, AdaptersActAlikeInLearnEngineMergeAndReference) {
  const Batch batch;
  Adapted adapted(LlamaReference::random(test::llama_variants()[0].config, 7));
  const auto want = reference_logits(adapted.reference, batch);
  EXPECT_LT(relative_difference(learn_logits(*adapted.model, batch), want), kFloat);
  const std::vector<std::string> targets{"q_proj", "v_proj", "o_proj", "down_proj"};
  const PeftConfig spellings[] = {
      {.rank = 3, .alpha = 7.5, .targets = targets},
      {.rank = 3, .alpha = 2.5 * std::sqrt(3.0), .targets = targets, .use_rslora = true},
      {.rank = 16,
       .alpha = 1,
       .targets = targets,
       .rank_pattern = {{"self_attn..*_proj", 3}, {"down_proj", 3}},
       .alpha_pattern = {{".*_proj", 7.5}}}};
  ThreadPool pool(2);
  for (size_t i = 0; i < std::size(spellings); ++i) {
    SCOPED_TRACE(i);
    const fs::path base = adapted.folder.path() / "base", merged = adapted.folder.path() / "merged",
                   adapter = adapted.write(spellings[i]);
    EXPECT_LT(relative_difference(engine_logits(engine::Llama(base, adapter), batch), want),
              kFloat);
    merge_adapter(*open_llama(base), PeftFolder(adapter), {merged, kModelFolder, true}, {}, pool);
    EXPECT_LT(relative_difference(engine_logits(engine::Llama(merged), batch), want), kFloat);
  }
}

}  // namespace
}  // namespace tandem
