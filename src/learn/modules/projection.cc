// SPDX-License-Identifier: Apache-2.0
#include "learn/modules/projection.h"

#include "learn/ops/frozen_linear.h"
#include "learn/ops/linear.h"
#include "learn/ops/lora_linear.h"

namespace tandem::learn {

at::Tensor Projection::forward(const at::Tensor& x, const DropoutSites& inputs) const {
  if (weight.defined()) return linear(x, weight, bias);
  const at::Tensor y = frozen_linear(x, frozen, bias);
  if (!adapter) return y;
  const DropoutMask mask = inputs.mask(x, module);
  return lora_linear(y, x, adapter->a, adapter->b, mask.keep, mask.p, adapter->scale);
}

}  // namespace tandem::learn
