// SPDX-License-Identifier: Apache-2.0
#include "learn/llama/llama.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <memory>

#include "core/error.h"
#include "core/rng.h"
#include "learn/ops/kernels.h"
#include "learn/ops/nf4_weight.h"
#include "learn/optim/adamw.h"
#include "unit/learn/op_gradient.h"

namespace tandem::learn {
namespace {

using test::relative_difference;

LlamaConfig small_config() {
  LlamaConfig config;
  config.model_type = "qwen3";
  config.vocab_size = 50;
  config.hidden_size = 32;
  config.intermediate_size = 48;
  config.num_layers = 3;
  config.num_heads = 4;
  config.num_kv_heads = 2;
  config.head_dim = 8;
  config.qk_norm = true;
  return config;
}

PackedTokens pack(const std::vector<std::vector<int64_t>>& rows) {
  std::vector<int64_t> tokens, starts{0};
  for (const std::vector<int64_t>& row : rows) {
    tokens.insert(tokens.end(), row.begin(), row.end());
    starts.push_back(static_cast<int64_t>(tokens.size()));
  }
  return {at::tensor(tokens, at::kLong), at::tensor(starts, at::kLong)};
}

std::vector<int64_t> random_tokens(int64_t count, Rng& rng) {
  std::vector<int64_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<int64_t>(rng.below(50)));
  return tokens;
}

SupervisedPositions supervise(const std::vector<int64_t>& positions,
                              const std::vector<int64_t>& labels) {
  return {at::tensor(positions, at::kLong), at::tensor(labels, at::kLong)};
}

// Weights large enough that attention is not flat.
std::unique_ptr<LlamaWeights> weights_of(const LlamaConfig& config) {
  return random_weights(config, 5, 0.2);
}

// Both matrices of every adapter away from their start, so that all gradients are there.
void disturb(const Llama& model, uint64_t seed) {
  at::NoGradGuard no_grad;
  Rng rng(seed);
  for (const NamedParameter& parameter : model.parameters())
    parameter.value.detach().add_(test::random_tensor(parameter.value.sizes(), rng, at::kFloat),
                                  0.05);
}

TEST(Llama, ARowDoesNotSeeItsNeighbours) {
  Rng rng(1);
  const auto weights = weights_of(small_config());
  const Llama model(*weights, {});
  const std::vector<std::vector<int64_t>> rows{random_tokens(7, rng), random_tokens(1, rng),
                                               random_tokens(40, rng)};
  std::vector<at::Tensor> alone;
  for (const auto& row : rows) alone.push_back(model.hidden(pack({row}), nullptr));
  EXPECT_LT(relative_difference(model.hidden(pack(rows), nullptr), at::cat(alone)), 1e-5);
}

TEST(Llama, WantedPositionsEqualTheFullPass) {
  Rng rng(2);
  const auto weights = weights_of(small_config());
  const PackedTokens packed = pack({random_tokens(20, rng), random_tokens(9, rng)});
  const at::Tensor wanted = at::tensor({18, 19, 28}, at::kLong);
  const DropoutRng dropout(3, 4);
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    const Llama model(*weights, {.precision = precision, .lora = LoraConfig{.dropout = 0.5}});
    disturb(model, 1);
    const at::Tensor full = model.hidden(packed, &dropout).index_select(0, wanted);
    const double limit = precision == Precision::kFloat32 ? 1e-5 : 2e-2;
    EXPECT_LT(relative_difference(model.hidden(packed, &dropout, wanted), full), limit);
  }
}

// Positions are data: counted up is the default, and only their distances matter to a rotation.
TEST(Llama, PositionsMayBeGiven) {
  Rng rng(17);
  const Llama model(*weights_of(small_config()), {});
  PackedTokens packed = pack({random_tokens(3, rng), random_tokens(2, rng)});
  const at::Tensor counted = model.hidden(packed, nullptr);
  packed.positions = at::tensor({0, 1, 2, 0, 1}, at::kLong);
  EXPECT_TRUE(model.hidden(packed, nullptr).equal(counted));
  packed.positions = at::tensor({5, 6, 7, 100, 101}, at::kLong);
  EXPECT_LT(relative_difference(model.hidden(packed, nullptr), counted), 1e-5);
  packed.positions = at::tensor({0, 1, 9, 0, 4}, at::kLong);
  EXPECT_GT(relative_difference(model.hidden(packed, nullptr), counted), 1e-4);
  packed.positions = at::tensor({0, 1, 2}, at::kLong);
  EXPECT_THROW(model.hidden(packed, nullptr), ShapeError);
}

TEST(Llama, CheckpointingChangesNoBit) {
  Rng rng(3);
  const auto weights = weights_of(small_config());
  const PackedTokens packed = pack({random_tokens(20, rng), random_tokens(9, rng)});
  const SupervisedPositions supervised = supervise({18, 19, 27, 28}, {4, 2, 7, 2});
  const DropoutRng dropout(3, 4);
  for (const bool full : {true, false}) {
    for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
      std::vector<at::Tensor> plain;
      double plain_loss = 0;
      for (const bool checkpoint : {false, true}) {
        LlamaOptions options{
            .precision = precision, .train_base = full, .checkpoint_layers = checkpoint};
        if (!full) options.lora = LoraConfig{.dropout = 0.1, .targets = {"v_proj", "down_proj"}};
        const Llama model(*weights, options);
        disturb(model, 2);
        const at::Tensor loss = model.loss(packed, supervised, &dropout);
        loss.backward();
        if (!checkpoint) plain_loss = loss.item<double>();
        EXPECT_EQ(loss.item<double>(), plain_loss);
        for (size_t i = 0; i < model.parameters().size(); ++i) {
          const at::Tensor gradient = model.parameters()[i].value.grad();
          ASSERT_TRUE(gradient.defined()) << model.parameters()[i].name;
          if (!checkpoint) plain.push_back(gradient);
          EXPECT_TRUE(gradient.equal(plain[i])) << model.parameters()[i].name;
        }
      }
    }
  }
}

TEST(Llama, NewAdaptersChangeNothing) {
  Rng rng(4);
  const auto weights = weights_of(small_config());
  const PackedTokens packed = pack({random_tokens(20, rng)});
  const DropoutRng dropout(3, 4);
  const Llama base(*weights, {}), adapted(*weights, {.lora = LoraConfig{}});
  EXPECT_TRUE(base.hidden(packed, nullptr).equal(adapted.hidden(packed, &dropout)));
  EXPECT_EQ(adapted.parameters().size(), 2u * 2 * 3);
  EXPECT_EQ(adapted.parameters()[0].name,
            "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight");
  const at::Tensor& a = adapted.parameters()[0].value;
  EXPECT_NEAR(a.abs().max().item<double>(), 1 / std::sqrt(32.0), 0.01);
  EXPECT_LE(a.abs().max().item<double>(), 1 / std::sqrt(32.0));
  EXPECT_LT(std::abs(a.mean().item<double>()), 0.03);
  EXPECT_FALSE(a.equal(adapted.parameters()[4].value));
}

TEST(Llama, LayersBelowTheFirstAdapterKeepNothing) {
  Rng rng(5);
  LlamaConfig config = small_config();
  const auto weights = weights_of(config);
  const Llama model(*weights, {.lora = LoraConfig{.targets = {"layers.2.mlp.down_proj"}}});
  int graphs = 0;
  model.hidden(pack({random_tokens(9, rng)}), nullptr, {},
               [&](const std::string& name, const at::Tensor& value) {
                 if (!value.requires_grad()) return;
                 graphs += name.starts_with("layers.2") ? 1 : 0;
                 EXPECT_FALSE(name.starts_with("layers.0")) << name;
                 EXPECT_FALSE(name.starts_with("layers.1")) << name;
               });
  EXPECT_EQ(graphs, 2);  // the MLP's result and the layer's
}

TEST(Llama, RefusesWhatDoesNotFit) {
  const auto weights = weights_of(small_config());
  EXPECT_THROW(Llama(*weights, {.train_base = true, .lora = LoraConfig{}}), ConfigError);
  EXPECT_THROW(Llama(*weights, {.lora = LoraConfig{.rank = 0}}), ConfigError);
  EXPECT_THROW(Llama(*weights, {.lora = LoraConfig{.targets = {"w_proj"}}}), ConfigError);
  EXPECT_THROW(Llama(*weights, {.lora = LoraConfig{.targets = {"lm_head"}}}), ConfigError);
  const Llama model(*weights, {});
  EXPECT_THROW(model.hidden(pack({{1, 50}}), nullptr), DataError);
  EXPECT_THROW(model.hidden(pack({{1, -1}}), nullptr), DataError);
  EXPECT_THROW(model.hidden(pack({{1}, {}}), nullptr), ShapeError);
}

// A model's layers quantised, or the same numbers as plain float32.
class QuantisedWeights : public LlamaWeights {
 public:
  QuantisedWeights(std::unique_ptr<LlamaWeights> base, bool dequantised)
      : base_(std::move(base)), dequantised_(dequantised) {}

  const LlamaConfig& config() const override { return base_->config(); }
  at::Tensor copy(const TensorSpec& spec) const override { return base_->copy(spec); }
  FrozenWeightPtr frozen(const TensorSpec& spec) const override {
    if (!spec.name.starts_with("model.layers.")) return base_->frozen(spec);
    const at::Tensor dense = base_->copy(spec);
    const auto count = static_cast<size_t>(dense.numel());
    const Nf4Tensor tensor = nf4_quantize(std::span(dense.const_data_ptr<float>(), count),
                                          spec.shape, {.double_quant = true});
    if (!dequantised_) return nf4_weight(tensor);
    tensor.dequantize(0, dense.numel(), dense.data_ptr<float>());
    return dense_weight(dense);
  }

 private:
  std::unique_ptr<LlamaWeights> base_;
  bool dequantised_;
};

// What a step on another device computes, here on the CPU.
TEST(Llama, AStepOfComposedOpsEqualsTheKernels) {
  Rng rng(7);
  LlamaConfig config = small_config();
  config.windows = {0, 4, 0};
  const QuantisedWeights weights(weights_of(config), false);
  const PackedTokens packed = pack({random_tokens(20, rng), random_tokens(9, rng)});
  const DropoutRng dropout(3, 4);
  SupervisedPositions supervised = supervise({18, 19, 28}, {4, 2, 7});
  const auto step = [&](const LlamaOptions& options) {
    const Llama model(weights, options);
    disturb(model, 3);
    const at::Tensor loss = model.loss(packed, supervised, &dropout);
    loss.backward();
    std::vector<at::Tensor> results{loss.detach().unsqueeze(0),
                                    model.logits(model.hidden(packed, nullptr))};
    for (const NamedParameter& parameter : model.parameters())
      results.push_back(parameter.value.grad());
    return results;
  };
  for (const bool soft : {false, true}) {
    if (soft) {
      supervised.targets = HeadTargets{.starts = at::tensor({0, 2, 3, 4}, at::kLong),
                                       .tokens = at::tensor({1, 2, 3, 4}, at::kLong),
                                       .weights = at::tensor({0.5, 0.5, 1.0, 1.0}, at::kDouble)};
    }
    for (const bool full : {true, false}) {
      for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
        LlamaOptions options{.precision = precision, .train_base = full, .checkpoint_layers = soft};
        if (!full) options.lora = LoraConfig{.dropout = 0.1};
        const std::vector<at::Tensor> kernels = step(options);
        const ComposedOps composed_ops;
        const std::vector<at::Tensor> composed = step(options);
        // bfloat16 is rounded at other places.
        test::expect_all_close(composed, kernels, precision == Precision::kFloat32 ? 2e-5 : 1e-1);
        EXPECT_FALSE(composed[1].equal(kernels[1])) << "the same path was taken twice";
      }
    }
  }
}

TEST(Llama, AQloraStepEqualsALoraStepOnDequantisedWeights) {
  Rng rng(6);
  const PackedTokens packed = pack({random_tokens(20, rng), random_tokens(9, rng)});
  const SupervisedPositions supervised = supervise({18, 19, 27, 28}, {4, 2, 7, 2});
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    std::vector<double> losses[2];
    for (const bool dequantised : {false, true}) {
      const QuantisedWeights weights(weights_of(small_config()), dequantised);
      const Llama model(
          weights,
          {.precision = precision, .lora = LoraConfig{}, .checkpoint_layers = !dequantised});
      AdamW optimizer(model.parameters(), {.eps = 1e-8, .weight_decay = 0},
                      [](std::string_view) { return true; });
      for (uint64_t step = 0; step < 3; ++step) {
        const DropoutRng dropout(1, step);
        optimizer.zero_gradients();
        const at::Tensor loss = model.loss(packed, supervised, &dropout);
        loss.backward();
        optimizer.clip_gradients(1);
        optimizer.step(1e-2);
        losses[dequantised].push_back(loss.item<double>());
      }
    }
    EXPECT_EQ(losses[0], losses[1]);
    EXPECT_LT(losses[0][2], losses[0][0]);
  }
}

}  // namespace
}  // namespace tandem::learn
