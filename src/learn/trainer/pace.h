// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tandem::learn {

// What steps and validations of a training took so far, and so how long the rest will take.
class TrainingPace {
 public:
  void stepped(double seconds);
  void validated(double seconds);

  // For the steps and validations behind `step`: one validation every valid_every steps and at the
  // end. Without a validation so far (a resumed run) those count nothing.
  double seconds_left(int64_t step, int64_t total_steps, int64_t valid_every) const;

 private:
  double step_seconds_ = 0, valid_seconds_ = 0;
  int64_t steps_ = 0, validations_ = 0;
};

}  // namespace tandem::learn
