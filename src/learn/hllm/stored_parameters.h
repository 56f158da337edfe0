// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ops/tensor.h>

#include <span>
#include <vector>

#include "formats/tensor_spec.h"
#include "learn/model.h"

namespace tandem::learn {

// A run's parameters as leaves of their own: values[i] is of specs[i].
inline std::vector<NamedParameter> stored_parameters(std::span<const TensorSpec> specs,
                                                     std::span<const std::vector<float>> values) {
  std::vector<NamedParameter> parameters;
  for (const TensorSpec& spec : specs)
    parameters.push_back({spec.name, at::tensor(values[parameters.size()]).view(spec.shape)});
  return parameters;
}

}  // namespace tandem::learn
