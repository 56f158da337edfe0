// SPDX-License-Identifier: Apache-2.0
#include "learn/modules/layer_norm.h"

#include <ATen/TensorOperators.h>

#include "learn/ops/residual_layer_norm.h"

namespace tandem::learn {

at::Tensor LayerNorm::forward(const at::Tensor& x, const at::Tensor& residual,
                              const DropoutMask& mask) const {
  return residual_layer_norm(x, residual, mask.keep, mask.p,
                             weight_factor == 1 ? weight : weight * weight_factor, bias, eps);
}

}  // namespace tandem::learn
