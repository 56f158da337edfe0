// SPDX-License-Identifier: Apache-2.0
#include "learn/trainer/task.h"

#include <ATen/core/Tensor.h>

namespace tandem::learn {

int64_t count_reals(std::span<const NamedParameter> parameters) {
  int64_t reals = 0;
  for (const NamedParameter& parameter : parameters) reals += parameter.value.numel();
  return reals;
}

}  // namespace tandem::learn
