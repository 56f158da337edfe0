// SPDX-License-Identifier: Apache-2.0
#include "learn/trainer/retriever_config.h"

#include "core/error.h"
#include "learn/optim/schedule.h"
#include "learn/trainer/validation.h"

namespace tandem {

ConfigSchema RetrieverConfig::schema() {
  ConfigSchema schema;
  schema.add("model.type", &model_type,
             "lrurec (linear recurrent units) or sasrec (self-attention)", {"lrurec", "sasrec"});
  schema.add("model.width", &width, "model width D");
  schema.add("model.blocks", &blocks, "number of blocks");
  schema.add("model.heads", &heads, "attention heads (sasrec)");
  schema.add("model.inner", &inner,
             "FFN width as a multiple of model.width (sasrec; lrurec has 4)");
  schema.add(
      "model.max_length", &max_length,
      "window L in items; 0: 200 when users have more than 50 training items on average, else 50");
  schema.add("model.dropout", &dropout, "dropout of embedding and FFN");
  schema.add("model.attn_dropout", &attn_dropout, "dropout of the LRU's output or the attention");
  schema.add("train.lr", &lr, "learning rate (peak)");
  schema.add("train.weight_decay", &weight_decay, "decoupled decay; not on biases and LayerNorm");
  schema.add("train.batch", &batch, "rows a micro-batch; 0: 16 at max_length 200 or more, else 64");
  schema.add("train.accumulate", &accumulate, "micro-batches an optimiser step");
  schema.add("train.epochs", &epochs, "passes over the data, at most");
  schema.add("train.max_steps", &max_steps, "optimiser steps, at most; 0: no limit");
  schema.add("train.clip", &clip, "limit of the gradients' global norm; 0: none");
  schema.add("train.eps", &eps, "AdamW's epsilon");
  schema.add("train.schedule", &schedule, "learning rate after warm-up: constant, linear or cosine",
             {"constant", "linear", "cosine"});
  schema.add("train.warmup_steps", &warmup_steps, "linear warm-up");
  schema.add("valid.every", &valid_every, "steps between validations");
  schema.add("valid.patience", &patience, "stop after so many validations without gain; 0: never");
  schema.add("valid.metric", &metric,
             "what the best checkpoint has most of: Recall, NDCG or MRR @1,5,10,20,50");
  schema.add("valid.exclude_history", &exclude_history,
             "validation never recommends padding or an item of the input window");
  schema.add("seed", &seed, "seed of weights, order and dropout");
  schema.add("checkpoint.every", &checkpoint_every, "steps between checkpoints");
  schema.add("log.every", &log_every, "steps between loss lines in metrics.jsonl");
  return schema;
}

void RetrieverConfig::resolve(const Dataset& dataset) {
  if (max_length == 0) {
    int64_t items = 0, users = 0;
    for (int64_t user = 0; user < dataset.num_users(); ++user) {
      items += static_cast<int64_t>(train_items(dataset, user).size());
      users += train_items(dataset, user).empty() ? 0 : 1;
    }
    max_length = items > 50 * users ? 200 : 50;
  }
  if (batch == 0) batch = max_length >= 200 ? 16 : 64;

  const auto at_least = [](const char* key, int64_t value, int64_t limit) {
    if (value < limit) throw ConfigError("{} is {}; expected at least {}", key, value, limit);
  };
  at_least("model.width", width, 1);
  at_least("model.blocks", blocks, 1);
  at_least("model.max_length", max_length, 1);
  at_least("train.batch", batch, 1);
  at_least("train.accumulate", accumulate, 1);
  at_least("train.epochs", epochs, 1);
  at_least("train.max_steps", max_steps, 0);
  at_least("train.warmup_steps", warmup_steps, 0);
  at_least("valid.every", valid_every, 1);
  at_least("valid.patience", patience, 0);
  at_least("checkpoint.every", checkpoint_every, 1);
  at_least("log.every", log_every, 1);
  at_least("seed", seed, 0);
  const auto probability = [](const char* key, double p) {
    if (!(p >= 0 && p < 1)) throw ConfigError("{} is {}; expected 0 <= p < 1", key, p);
  };
  probability("model.dropout", dropout);
  probability("model.attn_dropout", attn_dropout);
  const auto not_negative = [](const char* key, double value) {
    if (!(value >= 0)) throw ConfigError("{} is {}; expected 0 or more", key, value);
  };
  not_negative("train.lr", lr);
  not_negative("train.weight_decay", weight_decay);
  not_negative("train.eps", eps);
  not_negative("train.clip", clip);
  parse_schedule(schedule);
  ValidationMetrics().value(metric);
}

}  // namespace tandem
