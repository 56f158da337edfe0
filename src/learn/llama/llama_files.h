// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "core/file.h"
#include "learn/lora/lora.h"
#include "learn/model.h"
#include "models/llama_config.h"
#include "models/llama_source.h"

namespace tandem::learn {

// adapter_config.json and adapter_model.safetensors, as PEFT writes them. parameters are named by
// PEFT's keys.
void write_adapter(const fs::path& folder, const LlamaSource& base, const LoraConfig& lora,
                   std::span<const NamedParameter> parameters);

// A float32 Hugging Face folder with the base's configuration and tokenizer, also of a GGUF base.
// parameters are named by the folder's keys and complete.
void write_tuned_model(const fs::path& folder, const LlamaSource& base, const LlamaConfig& config,
                       std::span<const NamedParameter> parameters);

}  // namespace tandem::learn
