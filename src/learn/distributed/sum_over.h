// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "learn/distributed/process_group.h"

namespace tandem::learn {

// Sums a contiguous float32 tensor on any device over the processes, in place. Collective.
void sum_over(ProcessGroup& group, const at::Tensor& values);

}  // namespace tandem::learn
