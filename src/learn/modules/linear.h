// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "learn/ops/linear.h"

namespace tandem::learn {

// An affine map with trained parameters.
struct Linear {
  at::Tensor weight, bias;  // [O, I], [O]

  at::Tensor forward(const at::Tensor& x) const { return linear(x, weight, bias); }
};

}  // namespace tandem::learn
