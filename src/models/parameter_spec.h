// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tensor_spec.h"

namespace tandem {

// Lists of a model's parameters under the authors' own names. Complex ones are F32 with a last axis
// (real, imaginary).

// NAME.weight [outputs, inputs] and NAME.bias [outputs].
void add_linear(std::vector<TensorSpec>& specs, const std::string& name, int64_t outputs,
                int64_t inputs);
// NAME.weight and NAME.bias, [width] each.
void add_norm(std::vector<TensorSpec>& specs, const std::string& name, int64_t width);

// What a checkpoint without a configuration tells: its tensors' shapes by name.
using TensorShapes = std::map<std::string, std::vector<int64_t>>;

// The shape of a tensor that must be there and be a matrix. FormatError names `where` and the
// tensor.
const std::vector<int64_t>& matrix_shape(const TensorShapes& shapes, const std::string& name,
                                         std::string_view where);
// How many blocks the names count, "PREFIX0." to "PREFIXn.".
int64_t count_blocks(const TensorShapes& shapes, std::string_view prefix);

}  // namespace tandem
