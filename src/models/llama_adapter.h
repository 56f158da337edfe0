// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "formats/peft_folder.h"
#include "models/llama_config.h"

namespace tandem {

// Throws FormatError unless every module of the adapter is a projection of this model (or its head)
// and A and B have its shape.
void check_adapter(const PeftFolder& adapter, const LlamaConfig& config);

}  // namespace tandem
