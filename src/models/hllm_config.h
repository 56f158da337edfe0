// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "models/ranking_head.h"

namespace tandem {

inline constexpr const char* kHllmModelType = "hllm";  // model_type in config.json

// How an item's text becomes one vector: the state at a placeholder after the text (the authors'
// [ITEM] token, whose embedding is learned), or the mean of the states of all tokens of the text.
enum class HllmPooling { kToken, kMean };
HllmPooling parse_hllm_pooling(std::string_view name);  // "token", "mean"; ConfigError
std::string_view hllm_pooling_name(HllmPooling pooling);

// HLLM (Chen et al., "HLLM: Enhancing Sequential Recommendations via Hierarchical Large Language
// Models for Item and User Modeling", arXiv 2409.12740): an Item LLM turns an item's text into one
// vector, a User LLM reads the vectors of a history and predicts the next one. This is config.json
// of a run folder; what the two towers are, their own folders say.
struct HllmConfig {
  int64_t num_items = 0;         // N of the training; item 0 is padding. 0: a converted checkpoint
  int64_t width = 0;             // D of the User LLM and of all vectors
  int64_t max_length = 10;       // S, the newest items of a history that the User LLM reads
  int64_t max_text_length = 64;  // tokens of an item's text, BOS included, that are kept
  std::string item_prompt = "";  // before the text of every item
  std::vector<std::string> item_keys = {"title"};  // columns of the text, in this order
  HllmPooling pooling = HllmPooling::kToken;
  bool shared_towers = false;  // one tower, in item_llm/, reads text and vectors
  bool has_projector = false;  // item vectors are multiplied by projector.weight [D, d_item]
  int64_t time_width = 0;      // of the time tables (models/time_embedding.h); 0: no times
  HllmRanking ranking = HllmRanking::kNone;  // whether it also judges candidates, and how
  bool pandas_text = false;  // values of a text are printed and skipped as pandas does it
  // Of the data set whose item numbers the model knows; empty: unknown.
  std::string dataset_fingerprint = "";

  // Throws ConfigError naming `where` and the key.
  void validate(std::string_view where) const;

  Json to_json() const;  // with "model_type": "hllm"
  static HllmConfig from_json(const Json& json, std::string_view where);  // validated; FormatError
  bool operator==(const HllmConfig&) const = default;
};

}  // namespace tandem
