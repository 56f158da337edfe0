// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "formats/safetensors.h"

namespace tandem::learn {

// A stored tensor as a copy of its own; I32 becomes int64, as indices are wanted.
at::Tensor to_tensor(const SafetensorsFile& file, const std::string& name);

// max_abs_difference of two tensors of one shape, relative: relative_to_max (report.h).
double difference(const at::Tensor& value, const at::Tensor& wanted, bool relative = false);

}  // namespace tandem::learn
