// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "core/file.h"
#include "formats/hf_folder.h"
#include "learn/lora/lora.h"
#include "learn/model.h"
#include "models/llama_config.h"

namespace tandem::learn {

// adapter_config.json and adapter_model.safetensors, as PEFT writes them. parameters are named by
// PEFT's keys.
void write_adapter(const fs::path& folder, const HfFolder& base, const LoraConfig& lora,
                   std::span<const NamedParameter> parameters);

// A float32 Hugging Face folder with the base's configuration and tokenizer. parameters are named
// by the folder's keys and complete.
void write_tuned_model(const fs::path& folder, const HfFolder& base, const LlamaConfig& config,
                       std::span<const NamedParameter> parameters);

// Tells two folders' weights apart at once, however large they are: SHA-256 of every tensor's name,
// type, shape, and first and last 4 KiB.
std::string weights_fingerprint(const HfFolder& folder);

}  // namespace tandem::learn
