// SPDX-License-Identifier: Apache-2.0
#include "learn/pretrain/pretrain_config.h"

#include "core/error.h"
#include "learn/llama/llama_keys.h"

namespace tandem::learn {

PretrainConfig::PretrainConfig() {
  batch = 32;
  epochs = 20;
  schedule = "cosine";
  warmup_steps = 100;
  valid_every = 100;
  patience = 5;
  metric = "loss";
  checkpoint_every = 200;
  log_every = 10;
}

ConfigSchema PretrainConfig::schema() {
  ConfigSchema schema;
  add_llama_keys(schema, precision, checkpoint_layers);
  schema.add("data.block", &block, "tokens a text block, at most");
  schema.add("data.valid_share", &valid_share, "share of documents or users that is held out");
  schema.add("data.valid_texts", &valid_texts, "validate on so many held-out texts; 0: all");
  schema.add("data.history_item", &prompt.history_item, "one item of a history: {number}, {title}");
  schema.add("data.separator", &prompt.separator, "between items");
  schema.add("data.max_history", &prompt.max_history, "items in one text; numbers start anew");
  schema.add("data.max_title_tokens", &prompt.max_title_tokens, "a title keeps its first tokens");
  schema.add("data.title_truncation", &prompt.title_truncation,
             "who cuts titles: model, fixed:TOKENIZER, chars:N");
  add_keys(schema, "texts a micro-batch", "");
  return schema;
}

void PretrainConfig::validate() const {
  check();
  prompt.validate();
  check_at_least("data.block", block, 2);
  check_at_least("data.valid_texts", valid_texts, 0);
  if (!(valid_share > 0 && valid_share < 1))
    throw ConfigError("data.valid_share is {}; expected 0 < share < 1", valid_share);
}

LlamaOptions PretrainConfig::llama_options() const {
  return {.precision = parse_precision(precision),
          .train_base = true,
          .checkpoint_layers = checkpoint_layers,
          .seed = static_cast<uint64_t>(seed)};
}

}  // namespace tandem::learn
