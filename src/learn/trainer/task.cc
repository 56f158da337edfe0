// SPDX-License-Identifier: Apache-2.0
#include "learn/trainer/task.h"

#include <ATen/core/Tensor.h>

namespace tandem::learn {

StepPart Step::part(int64_t micro, const ProcessGroup& group) const {
  const int64_t parts = accumulate * group.size(), at = micro * group.size() + group.rank();
  return {.samples = samples,
          .begin = std::ssize(samples) * at / parts,
          .end = std::ssize(samples) * (at + 1) / parts,
          .epoch = epoch,
          .step = number};
}

int64_t count_reals(std::span<const NamedParameter> parameters) {
  int64_t reals = 0;
  for (const NamedParameter& parameter : parameters) reals += parameter.value.numel();
  return reals;
}

StepShare TrainingTask::add_share(const Step& step, ProcessGroup& group) const {
  StepShare share;
  for (int64_t micro = 0; micro < step.accumulate; ++micro) {
    const StepPart part = step.part(micro, group);
    if (part.begin == part.end) continue;
    const auto labels = static_cast<double>(num_labels(part.own(), step.epoch));
    if (labels == 0) continue;  // a task may draw none
    share.loss += add_gradients(part, labels / static_cast<double>(step.labels));
  }
  return share;
}

}  // namespace tandem::learn
