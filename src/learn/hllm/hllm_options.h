// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config.h"
#include "data/dataset.h"
#include "learn/contrastive/contrast.h"
#include "learn/contrastive/contrastive_samples.h"
#include "learn/llama/llama.h"
#include "learn/trainer/train_options.h"
#include "models/hllm_config.h"
#include "rank/item_prompt.h"

namespace tandem::learn {

// Of validations: the authors stop early on NDCG@200.
inline constexpr int32_t kHllmCutoffs[] = {1, 5, 10, 20, 50, 200};

// The share of other candidates that the true one is judged above.
inline constexpr const char* kAuc = "AUC";

enum class TowerTuning { kFull, kLora, kFrozen };

// One tower's keys.
struct TowerOptions {
  bool random = false;  // the base's shape with new weights
  int64_t layers = 0;   // its first so many; 0: all
  TowerTuning tuning = TowerTuning::kFull;
  bool operator==(const TowerOptions&) const = default;
};

// Everything that `train hllm` can be told; the training's defaults are those of the authors'
// recipe for a small machine.
struct HllmOptions : TrainOptions {
  HllmOptions();

  std::string item_prompt = "Compress this item into one vector: ", item_keys = "title";
  bool pandas_text = false;
  int64_t max_text_length = 64, max_length = 10, time_width = 0;
  HllmPooling pooling = HllmPooling::kToken;
  bool shared_towers = false;
  TowerOptions item, user;
  int64_t lora_rank = 8;
  double lora_alpha = 16;
  std::string lora_targets = "q_proj,v_proj";
  std::string freeze;  // prefixes of parameters' names, with commas
  std::string precision = "float32";
  bool checkpoint_layers = false;
  int64_t chunk_tokens = 4096;

  NceFilter nce;
  int64_t num_negatives = 0;  // a row; 0: one a transition
  HllmRanking ranking = HllmRanking::kNone;
  double contrast_weight = 1;      // of the contrast beside the judgement
  int64_t judged_candidates = 20;  // a validation user's, the true one included
  bool compat_samples = false, split_rows = true;
  bool exclude_history = true;
  int64_t valid_users = 0;

  // What a model that is trained further was told about its texts and its shape.
  void take(const HllmConfig& config);
  ConfigSchema schema();
  // Throws ConfigError naming the key.
  void validate() const;

  ItemPromptConfig item_text() const;
  SampleOptions samples() const;
  LlamaOptions llama_options(const TowerOptions& tower) const;
  std::vector<std::string> frozen_prefixes() const;
  HllmConfig model_config(int64_t width, bool has_projector, const Dataset& dataset) const;
};

}  // namespace tandem::learn
