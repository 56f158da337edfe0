// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "learn/llama/weights.h"

namespace tandem::learn {

// The first `layers` layers of a base, with its word table, norm and head as far as it has them (0:
// all). ConfigError, beginning with `key`, for more layers than there are.
std::unique_ptr<LlamaWeights> first_layers(std::unique_ptr<LlamaWeights> base, int64_t layers,
                                           const char* key);

}  // namespace tandem::learn
