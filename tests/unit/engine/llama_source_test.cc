// SPDX-License-Identifier: Apache-2.0
// A Llama computes the same whatever its weights come from: floats, four bits, an adapter beside
// the base or merged, shards, GGUF.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/rng.h"
#include "engine/llama/llama.h"
#include "models/llama_init.h"
#include "models/llama_merge.h"
#include "models/llama_source.h"
#include "support/temporary_folder.h"

namespace tandem::engine {
namespace {

// Rounding only: float32 sums of a few hundred terms in another order, relative to the largest.
constexpr double kRounding = 5e-6;

double relative_difference(const Matrix& a, const Matrix& b) {
  EXPECT_EQ(a.values.size(), b.values.size());
  double largest = 0, scale = 0;
  for (size_t i = 0; i < std::min(a.values.size(), b.values.size()); ++i) {
    largest = std::max(largest, std::abs(double{a.values[i]} - b.values[i]));
    scale = std::max(scale, std::abs(double{b.values[i]}));
  }
  return largest / scale;
}

class LlamaSourceTest : public testing::Test {
 protected:
  void SetUp() override {
    LlamaConfig config = llama_preset("tiny");
    config.vocab_size = 101;
    config.num_layers = 2;
    write_random_llama(config, {.stddev = 0.2}, {base_, kModelFolder, true}, pool_);
    write_adapter();
  }

  // Rank 2 on the queries of all layers, rank 3 on the first layer's down projection and the head.
  void write_adapter() {
    Rng rng(3);
    std::vector<std::vector<float>> data;
    std::vector<TensorView> views;
    const auto add = [&](const std::string& module, int64_t rank, int64_t out, int64_t in) {
      for (const auto& [key, rows, columns] :
           {std::tuple{peft_a_key(module), rank, in}, {peft_b_key(module), out, rank}}) {
        std::vector<float>& values = data.emplace_back(static_cast<size_t>(rows * columns));
        for (float& v : values) v = static_cast<float>(rng.normal() * 0.1);
        views.push_back({key, DType::kF32, {rows, columns}, std::as_bytes(std::span(values))});
      }
    };
    data.reserve(16);
    add("model.layers.0.self_attn.q_proj", 2, 64, 64);
    add("model.layers.1.self_attn.q_proj", 2, 64, 64);
    add("model.layers.0.mlp.down_proj", 3, 64, 172);
    add("lm_head", 3, 101, 64);
    fs::create_directories(adapter_);
    write_peft_folder(adapter_,
                      {.rank = 2,
                       .alpha = 6,
                       .targets = {"q_proj", "down_proj", "lm_head"},
                       .rank_pattern = {{"down_proj", 3}, {"lm_head", 3}}},
                      views);
  }

  Matrix logits(const Llama& model) {
    std::vector<int32_t> tokens;
    for (int32_t i = 0; i < 30; ++i) tokens.push_back(i * 37 % 101);
    const LlamaSequence sequence{30};
    return model.logits(model.hidden(model.embed(tokens), {&sequence, 1}, 0, pool_), pool_);
  }

  const test::TemporaryFolder root_;
  fs::path base_ = root_ / "base", adapter_ = root_ / "adapter", out_ = root_ / "out";
  ThreadPool pool_{2};
};

TEST_F(LlamaSourceTest, AFourBitFolderActsAsItsExpandedWeights) {
  for (const bool nested : {false, true}) {
    SCOPED_TRACE(nested);
    quantize_llama(*open_llama(base_), {.double_quant = nested}, {out_, kModelFolder, true}, {},
                   pool_);
    const fs::path wide = root_ / "wide";
    export_llama(*open_llama(out_), {wide, kModelFolder, true}, {.dtype = DType::kF32}, pool_);
    const Matrix four = logits(Llama(out_)), full = logits(Llama(wide));
    EXPECT_EQ(four.values, full.values);  // the same tiles, expanded earlier or later
    const auto source = open_llama(out_);
    const TensorSpec up{"model.layers.0.mlp.up_proj.weight",
                        {source->config().intermediate_size, 64}};
    ASSERT_TRUE(source->tensor(up).nf4());
    const std::vector<float> got = source->tensor(up).read(),
                             want = open_llama(base_)->tensor(up).read();
    double off = 0, largest = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      off = std::max(off, std::abs(double{got[i]} - want[i]));
      largest = std::max(largest, std::abs(double{want[i]}));
    }
    EXPECT_GT(off, 0);
    EXPECT_LT(off, 0.16 * largest);  // half the widest step of the table is 0.152
    EXPECT_TRUE(source->tensor({"model.embed_tokens.weight", {101, 64}}).floats());
  }
}

TEST_F(LlamaSourceTest, AnAdapterBesideTheBaseEqualsItsMerge) {
  // The base has a tied head; the adapter changes the head alone, so the merge unties it.
  const Matrix beside = logits(Llama(base_, adapter_));
  merge_adapter(*open_llama(base_), PeftFolder(adapter_), {out_, kModelFolder, true}, {}, pool_);
  const Llama merged(out_);
  EXPECT_FALSE(merged.config().tied_head);
  EXPECT_LT(relative_difference(beside, logits(merged)), kRounding);
  EXPECT_GT(relative_difference(beside, logits(Llama(base_))), 1e-2);
}

TEST_F(LlamaSourceTest, AnAdapterGoesOnAFourBitBase) {
  quantize_llama(*open_llama(base_), {.double_quant = true}, {out_, kModelFolder, true}, {}, pool_);
  const fs::path merged = root_ / "merged";
  merge_adapter(*open_llama(out_), PeftFolder(adapter_), merged, {.dtype = DType::kF32}, pool_);
  EXPECT_LT(relative_difference(logits(Llama(out_, adapter_)), logits(Llama(merged))), kRounding);
}

TEST_F(LlamaSourceTest, ShardsHoldTheSameWeights) {
  export_llama(*open_llama(base_), out_, {.shard_bytes = 50000}, pool_);
  EXPECT_TRUE(fs::exists(out_ / "model.safetensors.index.json"));
  EXPECT_FALSE(fs::exists(out_ / "model.safetensors"));
  EXPECT_EQ(logits(Llama(out_)).values, logits(Llama(base_)).values);
}

// It would become infinite.
TEST_F(LlamaSourceTest, WhatFloat16CannotHoldIsRefused) {
  LlamaConfig config = llama_preset("tiny");
  config.vocab_size = 101;
  config.num_layers = 1;
  write_random_llama(config, {.stddev = 1e6}, {out_, kModelFolder, true}, pool_);
  EXPECT_THROW(export_llama(*open_llama(out_), root_ / "narrow", {.dtype = DType::kF16}, pool_),
               DataError);
  EXPECT_FALSE(fs::exists(root_ / "narrow"));
  EXPECT_NO_THROW(export_llama(*open_llama(out_), root_ / "wide", {.dtype = DType::kBf16}, pool_));
}

TEST_F(LlamaSourceTest, AdaptersOfOtherModelsAreRefused) {
  LlamaConfig narrow = llama_preset("tiny");
  narrow.vocab_size = 101;
  narrow.num_layers = 2;
  narrow.intermediate_size = 160;
  write_random_llama(narrow, {}, {out_, kModelFolder, true}, pool_);
  EXPECT_THROW(Llama(out_, adapter_), FormatError);
  narrow.intermediate_size = 172;
  narrow.num_layers = 1;  // layer 1 of the adapter is not there
  write_random_llama(narrow, {}, {out_, kModelFolder, true}, pool_);
  EXPECT_THROW(Llama(out_, adapter_), FormatError);
}

// The oracle's files, converted: what the engine reads from the folder is what it reads from the
// file.
TEST_F(LlamaSourceTest, AGgufFileAndItsConvertedFolderActAlike) {
  const fs::path file = "../shared/oracles/gguf/tiny-q5-bf16-mix.gguf";
  if (!fs::exists(file)) GTEST_SKIP() << file << " is not here";
  export_llama(*open_llama(file), out_, {.dtype = DType::kF32}, pool_);
  const Llama folder(out_);
  EXPECT_EQ(folder.config().rope_linear_factor, 4);
  EXPECT_EQ(logits(Llama(file)).values, logits(folder).values);
  // By default floats keep their type, what is quantised becomes BF16.
  export_llama(*open_llama(file), {out_, kModelFolder, true}, {}, pool_);
  const auto source = open_llama(out_);
  EXPECT_EQ(source->tensor({"model.norm.weight", {64}}).type_name(), "F32");
  EXPECT_EQ(source->tensor({"model.layers.0.self_attn.q_proj.weight", {64, 64}}).type_name(),
            "BF16");
  EXPECT_EQ(source->config().rms_norm_eps, 1e-5);
}

}  // namespace
}  // namespace tandem::engine
