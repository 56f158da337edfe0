// SPDX-License-Identifier: Apache-2.0
#include "models/precision.h"

#include "core/error.h"

namespace tandem {

Precision parse_precision(const std::string& name) {
  if (name == "float32") return Precision::kFloat32;
  if (name == "bfloat16") return Precision::kBfloat16;
  throw ConfigError("precision is '{}'; expected float32 or bfloat16", name);
}

}  // namespace tandem
