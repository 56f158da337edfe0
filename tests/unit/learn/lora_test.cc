// SPDX-License-Identifier: Apache-2.0
// What an adapter adds while it is trained: (alpha / rank) B A, by value.
#include "learn/lora/lora.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "core/error.h"
#include "core/rng.h"
#include "formats/peft_folder.h"
#include "learn/llama/llama.h"
#include "learn/llama/llama_files.h"
#include "support/ranker_world.h"
#include "unit/learn/op_gradient.h"

namespace tandem::learn {
namespace {

LlamaConfig small_config() {
  LlamaConfig config;
  config.vocab_size = 40;
  config.hidden_size = 16;
  config.intermediate_size = 24;
  config.num_layers = 2;
  config.num_heads = 2;
  config.num_kv_heads = 1;
  config.head_dim = 8;
  return config;
}

std::map<std::string, at::Tensor> by_name(const Llama& model) {
  std::map<std::string, at::Tensor> values;
  for (const NamedParameter& parameter : model.parameters())
    values[parameter.name] = parameter.value;
  return values;
}

// factor x B A added to a trained weight, in plain loops.
void add_product(at::Tensor weight, const at::Tensor& b, const at::Tensor& a, double factor) {
  float* w = weight.data_ptr<float>();
  for (int64_t out = 0; out < weight.size(0); ++out) {
    for (int64_t in = 0; in < weight.size(1); ++in) {
      double sum = 0;
      for (int64_t r = 0; r < a.size(0); ++r)
        sum += b[out][r].item<double>() * a[r][in].item<double>();
      w[out * weight.size(1) + in] += static_cast<float>(factor * sum);
    }
  }
}

TEST(Lora, ScaleIsAlphaByRank) {
  EXPECT_EQ((LoraConfig{.rank = 8, .alpha = 32}).scale(), 4);
  EXPECT_EQ((LoraConfig{.rank = 4, .alpha = 6}).scale(), 1.5);
  EXPECT_EQ((LoraConfig{.rank = 16, .alpha = 4}).scale(), 0.25);
}

TEST(Lora, MergedWeightByHand) {
  const at::Tensor base = at::tensor({1.0f, 2.0f, 3.0f, 4.0f}).view({2, 2});
  const LoraAdapter adapter{.a = at::tensor({1.0f, -1.0f}).view({1, 2}),
                            .b = at::tensor({2.0f, 3.0f}).view({2, 1}),
                            .scale = 0.5};
  const at::Tensor merged = merged_weight(base, adapter);  // + 0.5 [[2, -2], [3, -3]]
  EXPECT_TRUE(merged.equal(at::tensor({2.0f, 1.0f, 4.5f, 2.5f}).view({2, 2})));
}

TEST(Lora, AnAdaptedModelIsTheModelOfTheSum) {
  const at::NoGradGuard no_grad;
  Rng rng(7);
  const auto weights = random_weights(small_config(), 5, 0.2);
  const LoraConfig lora{.rank = 2, .alpha = 3, .dropout = 0.5, .targets = {"q_proj", "down_proj"}};
  const Llama adapted(*weights, {.lora = lora});
  const Llama summed(*weights, {.train_base = true}), base(*weights, {});
  ASSERT_EQ(adapted.parameters().size(), 2u * 2 * 2);
  const auto trained = by_name(adapted);
  for (const auto& [name, value] : trained)
    value.detach().add_(test::random_tensor(value.sizes(), rng, at::kFloat), 0.3);
  const auto sums = by_name(summed);
  for (const std::string layer : {"model.layers.0.", "model.layers.1."}) {
    for (const std::string part : {"self_attn.q_proj", "mlp.down_proj"}) {
      const std::string module = layer + part;
      add_product(sums.at(module + ".weight").detach(), trained.at(peft_b_key(module)),
                  trained.at(peft_a_key(module)), 1.5);
    }
  }
  const PackedTokens packed{.tokens = at::tensor({1, 5, 9, 2, 30, 7}, at::kLong),
                            .row_starts = at::tensor({0, 4, 6}, at::kLong)};
  const at::Tensor want = summed.hidden(packed, nullptr);
  EXPECT_LT(test::relative_difference(adapted.hidden(packed, nullptr), want), 1e-5);
  EXPECT_GT(test::relative_difference(base.hidden(packed, nullptr), want), 1e-2)
      << "the adapters must show";
}

// What is written is read with the scale that it was trained with.
TEST(Lora, TheFileSaysTheScaleOfTraining) {
  const test::TemporaryFolder folder;
  ThreadPool pool(1);
  const auto base = open_llama(test::tiny_base(folder, pool));
  const LoraConfig lora{.rank = 2, .alpha = 3, .dropout = 0.25, .targets = {"q_proj"}};
  const Llama model(*source_weights(base), {.lora = lora});
  fs::create_directories(folder / "adapter");
  write_adapter(folder / "adapter", *base, lora, model.parameters());
  const fs::path path = folder / "adapter" / "adapter_config.json";
  const PeftConfig config = PeftConfig::from_json(read_json(path), path.string());
  EXPECT_EQ(config.rank, 2);
  EXPECT_EQ(config.alpha, 3);
  EXPECT_EQ(config.dropout, 0.25);
  EXPECT_EQ(config.targets, (std::vector<std::string>{"q_proj"}));
  EXPECT_FALSE(config.use_rslora);
  EXPECT_EQ(config.scale_of("model.layers.0.self_attn.q_proj"), lora.scale());
  EXPECT_EQ(fs::path(config.base_model), fs::absolute(base->path()).lexically_normal());
}

}  // namespace
}  // namespace tandem::learn
