// SPDX-License-Identifier: Apache-2.0
#include "models/llama_config.h"

#include <gtest/gtest.h>

#include <numbers>

#include "core/error.h"

namespace tandem {
namespace {

Json minimal() {
  return Json{{"model_type", "llama"},    {"vocab_size", 320},      {"hidden_size", 64},
              {"intermediate_size", 172}, {"num_hidden_layers", 3}, {"num_attention_heads", 4},
              {"rms_norm_eps", 1e-5},     {"rope_theta", 500000.0}};
}

std::string refusal(const Json& json) {
  try {
    LlamaConfig::from_json(json, "config.json");
    return "";
  } catch (const FormatError& error) {
    return error.what();
  }
}

TEST(LlamaConfig, AbsentKeysTakeTheirDefaults) {
  const LlamaConfig config = LlamaConfig::from_json(minimal(), "config.json");
  EXPECT_EQ(config.num_kv_heads, 4);
  EXPECT_EQ(config.head_dim, 16);
  EXPECT_EQ(config.rope_theta, 500000);
  EXPECT_FALSE(config.tied_head);
  EXPECT_FALSE(config.qkv_bias);
  EXPECT_FALSE(config.rope_scaling);
  EXPECT_TRUE(config.windows.empty());
  EXPECT_TRUE(config.eos_tokens.empty());
}

TEST(LlamaConfig, BothSpellingsOfTheRotationMeanTheSame) {
  Json old = minimal();
  old["rope_scaling"] = {{"type", "llama3"},
                         {"factor", 8.0},
                         {"low_freq_factor", 1.0},
                         {"high_freq_factor", 4.0},
                         {"original_max_position_embeddings", 256}};
  Json recent = minimal();
  recent.erase("rope_theta");
  recent["rope_parameters"] = old["rope_scaling"];
  recent["rope_parameters"]["rope_theta"] = 500000.0;
  const Json a = LlamaConfig::from_json(old, "a").to_json("float32");
  EXPECT_EQ(a, LlamaConfig::from_json(recent, "b").to_json("float32"));
  EXPECT_EQ(a["rope_scaling"]["factor"], 8.0);
}

// By hand: head_dim 4, theta 100, so f = 1 and 1/10; wavelengths 6.28 and 62.8. With L0 = 100 the
// limits are 100 / 4 = 25 and 100 / 1 = 100: the first stays, the second is in between with
// s = (100 / 62.8 - 1) / 3.
TEST(LlamaConfig, ScalingKeepsFastAndStretchesSlowFrequencies) {
  LlamaConfig config{
      .head_dim = 4, .rope_theta = 100, .rope_scaling = Llama3RopeScaling{8, 1, 4, 100}};
  const double s = (100 / (20 * std::numbers::pi) - 1) / 3;
  EXPECT_DOUBLE_EQ(config.inverse_frequencies()[0], 1);
  EXPECT_DOUBLE_EQ(config.inverse_frequencies()[1], (1 - s) * 0.1 / 8 + s * 0.1);
  config.rope_scaling->original_positions = 50;  // wavelength 62.8 > 50
  EXPECT_DOUBLE_EQ(config.inverse_frequencies()[1], 0.1 / 8);
}

TEST(LlamaConfig, WindowsFollowEachFamilysRule) {
  Json json = minimal();
  json["sliding_window"] = 16;
  EXPECT_TRUE(LlamaConfig::from_json(json, "x").windows.empty());  // Llama has none
  json["model_type"] = "mistral";
  EXPECT_EQ(LlamaConfig::from_json(json, "x").windows, (std::vector<int64_t>{16, 16, 16}));
  json["model_type"] = "qwen2";
  EXPECT_TRUE(LlamaConfig::from_json(json, "x").windows.empty());  // not switched on
  json["use_sliding_window"] = true;
  json["max_window_layers"] = 2;
  EXPECT_EQ(LlamaConfig::from_json(json, "x").windows, (std::vector<int64_t>{0, 0, 16}));
  json["layer_types"] = {"sliding_attention", "full_attention", "full_attention"};
  const LlamaConfig config = LlamaConfig::from_json(json, "x");
  EXPECT_EQ(config.windows, (std::vector<int64_t>{16, 0, 0}));
  EXPECT_EQ(config.to_json("float32")["sliding_window"], 16);
  EXPECT_EQ(LlamaConfig::from_json(config.to_json("float32"), "x").windows, config.windows);
}

TEST(LlamaConfig, WrongValuesAreNamed) {
  const auto with = [](std::string_view key, const Json& value) {
    Json json = minimal();
    json[key] = value;
    return refusal(json);
  };
  EXPECT_EQ(with("model_type", "gpt2"),
            "config.json: model_type is 'gpt2', expected llama, mistral, qwen2 or qwen3");
  EXPECT_EQ(with("hidden_size", -1),
            "config.json: key 'hidden_size' is -1, expected a whole number from 1 to 4194304");
  EXPECT_EQ(with("num_key_value_heads", 3),
            "config.json: num_attention_heads 4 is not a multiple of num_key_value_heads 3");
  EXPECT_NE(with("rope_scaling", {{"rope_type", "yarn"}}), "");
  EXPECT_NE(with("hidden_act", "gelu"), "");
  EXPECT_NE(with("mlp_bias", true), "");
  EXPECT_NE(with("head_dim", 15), "");
  EXPECT_NE(with("rms_norm_eps", 0), "");
  EXPECT_NE(with("eos_token_id", "two"), "");
  Json json = minimal();
  json.erase("vocab_size");
  EXPECT_EQ(refusal(json), "config.json: key 'vocab_size' is missing");
}

TEST(LlamaConfig, PresetsHaveThePublishedNumberOfParameters) {
  EXPECT_EQ(llama_preset("llama-2-7b").num_parameters(), 6738415616);
  EXPECT_EQ(llama_preset("llama-3-8b").num_parameters(), 8030261248);
  EXPECT_EQ(llama_preset("llama-3.2-1b").num_parameters(), 1235814400);
  EXPECT_EQ(llama_preset("tinyllama-1.1b").num_parameters(), 1100048384);
  EXPECT_EQ(llama_preset("mistral-7b").num_parameters(), 7241732096);
  EXPECT_THROW(llama_preset("lama-2-7b"), ConfigError);
}

TEST(LlamaConfig, PresetsComeBackFromTheirOwnJson) {
  for (const std::string& name : llama_preset_names()) {
    const Json json = llama_preset(name).to_json("float32");
    EXPECT_EQ(LlamaConfig::from_json(json, name).to_json("float32"), json) << name;
  }
}

}  // namespace
}  // namespace tandem
