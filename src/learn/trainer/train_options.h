// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "core/config.h"

namespace tandem::learn {

// Optimiser steps of a training, if nothing stops it early.
struct TrainingLength {
  int64_t steps_per_epoch = 0, total_steps = 0;
};

// What every training has: optimiser, schedule, validation, checkpoints.
struct TrainOptions {
  double lr = 1e-3, weight_decay = 0.01, eps = 1e-8, clip = 1.0;
  int64_t batch = 0, accumulate = 1, epochs = 1, max_steps = 0;
  std::string schedule = "constant";
  int64_t warmup_steps = 0;
  double warmup_share = 0;  // of all steps, for tasks with such a key; instead of warmup_steps

  int64_t valid_every = 500, patience = 20;
  std::string metric;

  int64_t seed = 42;
  int64_t checkpoint_every = 500, log_every = 50;

  // The keys, bound to this object, which must outlive the schema.
  void add_keys(ConfigSchema& schema, const std::string& batch_help, const std::string& metric_help,
                const std::string& decayed = "not on biases and norms");
  // ConfigError naming the key.
  void check() const;
  // ConfigError when the warm-up would last to the end, so that no step had the learning rate.
  TrainingLength length(int64_t num_samples) const;
  // Steps of the warm-up, not rounded.
  double warmup(int64_t total_steps) const;
};

// ConfigError when value is below the limit.
void check_at_least(const char* key, int64_t value, int64_t limit);
// ConfigError unless 0 <= p < 1.
void check_probability(const char* key, double p);

}  // namespace tandem::learn
