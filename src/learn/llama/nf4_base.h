// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "learn/llama/weights.h"

namespace tandem::learn {

// QLoRA's base: the linear layers' weights in NF4 with double quantisation, quantised one at a time
// as they are asked for unless the folder stores them so; embedding, head and norms as they are.
std::unique_ptr<LlamaWeights> nf4_base(std::shared_ptr<const LlamaSource> source);

}  // namespace tandem::learn
