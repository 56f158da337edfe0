// SPDX-License-Identifier: Apache-2.0
#include "learn/trainer/train_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "learn/optim/schedule.h"

namespace tandem::learn {

void check_at_least(const char* key, int64_t value, int64_t limit) {
  if (value < limit) throw ConfigError("{} is {}; expected at least {}", key, value, limit);
}

void check_probability(const char* key, double p) {
  if (!(p >= 0 && p < 1)) throw ConfigError("{} is {}; expected 0 <= p < 1", key, p);
}

void TrainOptions::add_keys(ConfigSchema& schema, const std::string& batch_help,
                            const std::string& metric_help, const std::string& decayed) {
  schema.add("train.lr", &lr, "learning rate (peak)");
  schema.add("train.weight_decay", &weight_decay, "decoupled decay; " + decayed);
  schema.add("train.batch", &batch, batch_help);
  schema.add("train.accumulate", &accumulate, "micro-batches an optimiser step");
  const auto scheduled = [this] {
    return schedule == "constant"
               ? std::string()
               : fmt::format("the {} schedule of the steps so far ends at the last step", schedule);
  };
  schema.add("train.epochs", &epochs, "passes over the data, at most").may_change(scheduled);
  schema.add("train.max_steps", &max_steps, "optimiser steps, at most; 0: no limit")
      .may_change(scheduled);
  schema.add("train.clip", &clip, "limit of the gradients' global norm; 0: none");
  schema.add("train.eps", &eps, "AdamW's epsilon");
  schema.add("train.schedule", &schedule, "learning rate after warm-up: constant, linear or cosine",
             {"constant", "linear", "cosine"});
  schema.add("train.warmup_steps", &warmup_steps, "linear warm-up");
  schema.add("valid.every", &valid_every, "steps between validations");
  schema.add("valid.patience", &patience, "stop after so many validations without gain; 0: never")
      .may_change();
  if (!metric_help.empty()) schema.add("valid.metric", &metric, metric_help);
  schema.add("seed", &seed, "seed of new weights, order, dropout and all draws");
  schema.add("checkpoint.every", &checkpoint_every, "steps between checkpoints").may_change();
  schema.add("log.every", &log_every, "steps between loss lines in metrics.jsonl").may_change();
}

void TrainOptions::check() const {
  check_at_least("train.batch", batch, 1);
  check_at_least("train.accumulate", accumulate, 1);
  check_at_least("train.epochs", epochs, 1);
  check_at_least("train.max_steps", max_steps, 0);
  check_at_least("train.warmup_steps", warmup_steps, 0);
  check_at_least("valid.every", valid_every, 1);
  check_at_least("valid.patience", patience, 0);
  check_at_least("checkpoint.every", checkpoint_every, 1);
  check_at_least("log.every", log_every, 1);
  check_at_least("seed", seed, 0);
  const auto not_negative = [](const char* key, double value) {
    if (!(value >= 0)) throw ConfigError("{} is {}; expected 0 or more", key, value);
  };
  not_negative("train.lr", lr);
  not_negative("train.weight_decay", weight_decay);
  not_negative("train.eps", eps);
  not_negative("train.clip", clip);
  parse_schedule(schedule);
}

TrainingLength TrainOptions::length(int64_t num_samples) const {
  const int64_t samples_a_step = batch * accumulate;
  const int64_t steps_per_epoch = (num_samples + samples_a_step - 1) / samples_a_step;
  int64_t total_steps = steps_per_epoch * epochs;
  if (max_steps > 0) total_steps = std::min(total_steps, max_steps);
  if (warmup_steps > 0 && warmup_steps >= total_steps)
    throw ConfigError(
        "train.warmup_steps is {}, but the training has {} steps ({} an epoch): the learning rate "
        "would never reach train.lr; expected fewer than {}, or more steps (train.epochs, "
        "train.max_steps)",
        warmup_steps, total_steps, steps_per_epoch, total_steps);
  return {steps_per_epoch, total_steps};
}

double TrainOptions::warmup(int64_t total_steps) const {
  return warmup_share > 0 ? warmup_share * static_cast<double>(total_steps)
                          : static_cast<double>(warmup_steps);
}

}  // namespace tandem::learn
