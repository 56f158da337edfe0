// SPDX-License-Identifier: Apache-2.0
#include "learn/trainer/pace.h"

namespace tandem::learn {
namespace {

double mean(double sum, int64_t count) { return count > 0 ? sum / static_cast<double>(count) : 0; }

}  // namespace

void TrainingPace::stepped(double seconds) {
  step_seconds_ += seconds;
  ++steps_;
}

void TrainingPace::validated(double seconds) {
  valid_seconds_ += seconds;
  ++validations_;
}

double TrainingPace::seconds_left(int64_t step, int64_t total_steps, int64_t valid_every) const {
  const int64_t steps = total_steps - step;
  if (steps <= 0) return 0;
  const int64_t last = total_steps % valid_every == 0 ? 0 : 1;
  const int64_t validations = total_steps / valid_every - step / valid_every + last;
  return static_cast<double>(steps) * mean(step_seconds_, steps_) +
         static_cast<double>(validations) * mean(valid_seconds_, validations_);
}

}  // namespace tandem::learn
