// SPDX-License-Identifier: Apache-2.0
#include "formats/peft_folder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "core/error.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

constexpr const char* kQuery = "model.layers.0.self_attn.q_proj";

class PeftFolderTest : public testing::Test {
 protected:
  // A [2, 4] and B [3, 2] for one module.
  std::vector<TensorView> views(const std::string& module = kQuery) const {
    return {{peft_a_key(module), DType::kF32, {2, 4}, std::as_bytes(std::span(a_))},
            {peft_b_key(module), DType::kF32, {3, 2}, std::as_bytes(std::span(b_))}};
  }
  PeftFolder with_config(Json json) {
    write_json(folder_ / "adapter_config.json", json);
    write_safetensors(folder_ / "adapter_model.safetensors", views());
    return PeftFolder(folder_);
  }

  const test::TemporaryFolder folder_;
  std::vector<float> a_ = {1, 2, 3, 4, 5, 6, 7, 8}, b_ = {1, 2, 3, 4, 5, 6};
};

TEST_F(PeftFolderTest, WhatIsWrittenIsRead) {
  const PeftConfig config{.base_model = "base",
                          .rank = 2,
                          .alpha = 5,
                          .dropout = 0.05,
                          .targets = {"q_proj", "v_proj"},
                          .alpha_pattern = {{"k_proj", 0.5}}};
  write_peft_folder(folder_, config, views());
  const PeftFolder folder(folder_);
  EXPECT_EQ(folder.config().to_json(), config.to_json());
  ASSERT_EQ(folder.modules().size(), 1u);
  const PeftModule* module = folder.find(kQuery);
  ASSERT_TRUE(module);
  EXPECT_EQ(module->rank, 2);
  EXPECT_EQ(module->scale, 2.5);
  EXPECT_EQ(module->a.read(), a_);
  EXPECT_EQ(module->b.read(), b_);
  EXPECT_EQ(folder.find("model.layers.0.self_attn.k_proj"), nullptr);
}

TEST_F(PeftFolderTest, MissingAndUnknownFieldsAreAccepted) {
  const PeftFolder old = with_config({{"r", 2}, {"lora_alpha", 16}});  // PEFT 0.3 had few
  EXPECT_EQ(old.find(kQuery)->scale, 8);
  EXPECT_EQ(with_config({{"r", 2}}).find(kQuery)->scale, 4) << "PEFT's own alpha is 8";
  const PeftFolder next = with_config({{"r", 2},
                                       {"lora_alpha", 16},
                                       {"use_rslora", true},
                                       {"target_modules", ".*q_proj"},
                                       {"field_of_the_future", {{"x", 1}}},
                                       {"use_dora", false},
                                       {"modules_to_save", nullptr}});
  EXPECT_DOUBLE_EQ(next.find(kQuery)->scale, 16 / std::sqrt(2.0));
  EXPECT_EQ(next.config().target_pattern, ".*q_proj");
}

TEST_F(PeftFolderTest, PatternsGiveModulesRanksAndAlphas) {
  const PeftFolder folder =
      with_config({{"r", 8},
                   {"lora_alpha", 16},
                   {"rank_pattern", {{"q_proj", 2}}},
                   {"alpha_pattern", {{"layers\\.0\\..*", 3}, {"q_proj", 4}}}});
  EXPECT_EQ(folder.find(kQuery)->rank, 2);
  EXPECT_EQ(folder.find(kQuery)->scale, 1.5);
  const PeftFolder regex = with_config(
      {{"r", 8},
       {"lora_alpha", 16},
       {"rank_pattern", {{"layers\\.[1-9]\\d*\\..*", 4}, {".*\\.(q|k)_proj", 2}, {"q_proj", 3}}},
       {"alpha_pattern", {{"layers\\.\\d\\.self_attn\\.(q|v)_proj", 5}}}});
  EXPECT_EQ(regex.find(kQuery)->rank, 2) << "the first that matches";
  EXPECT_EQ(regex.find(kQuery)->scale, 2.5);
}

TEST_F(PeftFolderTest, OtherAdaptersAreRefused) {
  const Json good = {{"r", 2}, {"lora_alpha", 16}};
  const auto refused = [&](const char* key, Json value) {
    Json json = good;
    json[key] = std::move(value);
    try {
      with_config(json);
    } catch (const FormatError& error) {
      return std::string(error.what()).find(key) != std::string::npos;
    }
    return false;
  };
  EXPECT_TRUE(refused("peft_type", "IA3"));
  EXPECT_TRUE(refused("use_dora", true));
  EXPECT_TRUE(refused("bias", "all"));
  EXPECT_TRUE(refused("lora_bias", true));
  EXPECT_TRUE(refused("modules_to_save", {"lm_head"}));
  EXPECT_TRUE(refused("fan_in_fan_out", true));
  for (const char* name : {"pissa_niter_4", "PiSSA", "olora", "OLoRA", "loftq", "LoftQ", "corda",
                           "CorDA", "lora_ga", "of_the_future"})
    EXPECT_TRUE(refused("init_lora_weights", name)) << name;
  EXPECT_TRUE(refused("init_lora_weights", 3));
  EXPECT_TRUE(refused("kasa_config", {{"beta", 1}}));
  EXPECT_TRUE(refused("r", 0));
  EXPECT_TRUE(refused("r", 2.5));
  EXPECT_TRUE(refused("lora_alpha", "x"));
  EXPECT_TRUE(refused("target_modules", 3));
  EXPECT_TRUE(refused("rank_pattern", {{"q_proj", -1}}));
  EXPECT_TRUE(refused("rank_pattern", {{"q_proj(", 2}}));
  EXPECT_TRUE(refused("alpha_pattern", {{"q_proj", "x"}}));
  for (const Json& name :
       {Json("gaussian"), Json("eva"), Json("orthogonal"), Json(true), Json(false), Json(nullptr)})
    EXPECT_FALSE(refused("init_lora_weights", name)) << name;
}

TEST_F(PeftFolderTest, ValuesThatAreNoNumbersAreRefusedByName) {
  const Json config = {{"r", 2}, {"lora_alpha", 16}};
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    b_[4] = bad;
    try {
      with_config(config);
      ADD_FAILURE() << bad;
    } catch (const FormatError& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find("adapter_model.safetensors: tensor '" + peft_b_key(kQuery) + "'"),
                std::string::npos)
          << text;
      EXPECT_NE(text.find("row 2"), std::string::npos) << text;
    }
  }
}

TEST_F(PeftFolderTest, TensorsThatDoNotFitAreRefused) {
  write_json(folder_ / "adapter_config.json", {{"r", 2}, {"lora_alpha", 16}});
  const fs::path weights = folder_ / "adapter_model.safetensors";
  EXPECT_THROW(PeftFolder{folder_}, IoError);  // no weights
  std::ofstream(folder_ / "adapter_model.bin") << "x";
  EXPECT_THROW(PeftFolder{folder_}, FormatError);  // a pickle
  const auto refused = [&](std::vector<TensorView> tensors) {
    write_safetensors(weights, tensors);
    try {
      PeftFolder folder(folder_);
    } catch (const FormatError&) {
      return true;
    }
    return false;
  };
  EXPECT_FALSE(refused(views()));
  EXPECT_TRUE(refused({}));
  EXPECT_TRUE(refused({views()[0]}));  // A alone
  std::vector<TensorView> wrong = views();
  wrong[0].shape = {4, 2};
  EXPECT_TRUE(refused(wrong));
  wrong = views();
  wrong[0].shape = {8};
  EXPECT_TRUE(refused(wrong));
  wrong = views();
  wrong[0].name = "base_model.model.model.embed_tokens.lora_embedding_A";
  EXPECT_TRUE(refused(wrong));
  wrong = views();
  wrong[1].dtype = DType::kI32;
  EXPECT_TRUE(refused(wrong));
  write_safetensors(weights, views());
  const std::string whole = read_file(weights);
  for (size_t size = 0; size < whole.size(); size += 7) {
    std::ofstream(weights, std::ios::binary | std::ios::trunc) << whole.substr(0, size);
    EXPECT_THROW(PeftFolder{folder_}, FormatError) << size;
  }
}

}  // namespace
}  // namespace tandem
