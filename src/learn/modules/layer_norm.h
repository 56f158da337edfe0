// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "learn/modules/dropout_sites.h"

namespace tandem::learn {

// Weight and bias of a LayerNorm.
struct LayerNorm {
  at::Tensor weight, bias;  // [D]
  double eps = 1e-5;
  double weight_factor = 1;  // of models that divide by another deviation

  // LayerNorm(dropout(x) + residual); residual undefined: none.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& residual,
                     const DropoutMask& mask = {}) const;
};

}  // namespace tandem::learn
