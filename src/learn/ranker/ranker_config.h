// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/config.h"
#include "learn/llama/llama.h"
#include "learn/trainer/train_options.h"
#include "rank/prompt.h"

namespace tandem::learn {

enum class Tuning { kLora, kQlora, kFull };
std::string_view tuning_name(Tuning tuning);
enum class Negatives { kUniform, kRetriever, kCrossfit };
enum class CandidateOrder { kShuffled, kRetrieval };

// Everything that `train ranker` can be told; defaults are LlamaRec's.
struct RankerConfig : TrainOptions {
  RankerConfig();

  Tuning tuning = Tuning::kLora;
  std::string precision = "float32";
  bool checkpoint_layers = false;
  int64_t lora_rank = 8;
  double lora_alpha = 32, lora_dropout = 0.05;
  std::string lora_targets = "q_proj,v_proj";

  Negatives negatives = Negatives::kUniform;
  CandidateOrder order = CandidateOrder::kShuffled;
  bool only_retrieved = false;
  bool train_eos = true;
  double soft_target = 0, language = 0;
  int64_t valid_users = 0;
  PromptConfig prompt;

  // The keys, bound to this object, which must outlive the schema.
  ConfigSchema schema();
  // ConfigError naming the key.
  void validate() const;
  LlamaOptions llama_options() const;
};

}  // namespace tandem::learn
