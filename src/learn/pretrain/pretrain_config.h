// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "core/config.h"
#include "learn/llama/llama.h"
#include "learn/trainer/train_options.h"
#include "rank/prompt.h"

namespace tandem::learn {

// Everything that `pretrain` can be told: causal language modelling with all weights trained.
struct PretrainConfig : TrainOptions {
  PretrainConfig();

  std::string precision = "float32";
  bool checkpoint_layers = false;
  int64_t block = 512;        // tokens of a text block
  double valid_share = 0.05;  // of documents or users, held out
  int64_t valid_texts = 2000;
  PromptConfig prompt;  // how histories are written; only what concerns titles and items

  // The keys, bound to this object, which must outlive the schema.
  ConfigSchema schema();
  // ConfigError naming the key.
  void validate() const;
  LlamaOptions llama_options() const;
};

}  // namespace tandem::learn
