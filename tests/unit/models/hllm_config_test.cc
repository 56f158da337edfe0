// SPDX-License-Identifier: Apache-2.0
#include "models/hllm_config.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace tandem {
namespace {

HllmConfig sample() {
  return {.num_items = 7,
          .width = 64,
          .max_length = 12,
          .max_text_length = 48,
          .item_prompt = "Compress: ",
          .item_keys = {"title", "tag"},
          .pooling = HllmPooling::kMean,
          .shared_towers = true,
          .has_projector = true,
          .pandas_text = true,
          .dataset_fingerprint = "ab12"};
}

std::string refusal(const Json& json) {
  try {
    HllmConfig::from_json(json, "config.json");
    return "";
  } catch (const FormatError& error) {
    return error.what();
  }
}

TEST(HllmConfig, SurvivesWritingAndReading) {
  EXPECT_EQ(HllmConfig::from_json(sample().to_json(), "config.json"), sample());
}

TEST(HllmConfig, AbsentKeysTakeTheirDefaults) {
  const HllmConfig config = HllmConfig::from_json(
      Json{{"model_type", "hllm"}, {"num_items", 3}, {"width", 8}, {"max_length", 10}}, "here");
  EXPECT_EQ(config, (HllmConfig{.num_items = 3, .width = 8, .max_length = 10}));
}

TEST(HllmConfig, RefusesWhatItCannotBe) {
  const auto with = [](const char* key, const Json& value) {
    Json json = sample().to_json();
    json[key] = value;
    return refusal(json);
  };
  EXPECT_EQ(with("model_type", "sasrec"), "config.json: model_type is 'sasrec', expected 'hllm'");
  EXPECT_EQ(with("num_items", -1), "config.json: num_items is -1, expected 0 to 2147483646");
  EXPECT_EQ(with("max_text_length", -3),
            "config.json: max_text_length is -3, expected 1 to 1048576");
  EXPECT_EQ(with("pooling", "max"), "config.json: pooling is 'max', expected token or mean");
  EXPECT_EQ(with("item_keys", {"title", "title"}), "config.json: item_keys has 'title' twice");
  EXPECT_EQ(with("item_keys", {""}), "config.json: item_keys has an empty name");
  EXPECT_EQ(with("item_keys", {3}), "config.json: key 'item_keys' has an unexpected value: [3]");
  EXPECT_EQ(with("width", 1.5), "config.json: key 'width' has an unexpected value: 1.5");
}

}  // namespace
}  // namespace tandem
