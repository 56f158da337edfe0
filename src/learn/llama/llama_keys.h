// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/config.h"

namespace tandem::learn {

// The configuration keys of every training of a Llama: model.precision and model.checkpoint_layers.
void add_llama_keys(ConfigSchema& schema, std::string& precision, bool& checkpoint_layers);

}  // namespace tandem::learn
