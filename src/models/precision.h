// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace tandem {

// What a language model's products are computed in. Sums, residual stream, norms, softmax and
// rotations are float32 either way.
//
// Float32 gives the same numbers to about 1e-5 on every machine. Bfloat16 rounds the operands of
// the products to 8 significant bits and takes half the time where the CPU multiplies such numbers;
// two equally valid orders of its sums already differ by about 1e-2 of the largest logit.
enum class Precision { kFloat32, kBfloat16 };

// "float32" or "bfloat16"; ConfigError otherwise.
Precision parse_precision(const std::string& name);

}  // namespace tandem
