// SPDX-License-Identifier: Apache-2.0
#include "learn/distributed/sum_over.h"

#include <ATen/core/grad_mode.h>

#include "core/check.h"

namespace tandem::learn {

void sum_over(ProcessGroup& group, const at::Tensor& values) {
  if (group.size() == 1) return;
  at::NoGradGuard no_grad;
  TANDEM_CHECK(values.is_contiguous());
  const at::Tensor on_cpu = values.cpu();  // itself when it is there already
  group.sum(std::span(on_cpu.data_ptr<float>(), static_cast<size_t>(on_cpu.numel())));
  if (!values.is_cpu()) values.copy_(on_cpu);
}

}  // namespace tandem::learn
