// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>

#include "core/file.h"
#include "learn/hllm/hllm.h"
#include "learn/llama/weights.h"
#include "models/hllm_files.h"

namespace tandem::learn {

// What a tower's untrained parameters are taken from when it is written.
struct TowerOrigin {
  std::shared_ptr<const LlamaWeights> weights;  // the tower's, before training
  fs::path tokenizer;                           // folder or file it is copied from; empty: none
};

// What a run folder has beside its towers, as leaves of their own.
HllmExtras read_hllm_extras(const HllmFiles& files);

// A run folder of HLLM (models/hllm_files.h) without items.bin: config.json, the towers as float32
// Hugging Face folders, adapters added to their projections, and what is beside them. parameters
// are named as Hllm::parameters(); what is not among them was not trained. IoError.
void write_hllm(const fs::path& folder, const HllmConfig& config, const HllmExtras& extras,
                const LoraConfig& lora, const TowerOrigin& item, const TowerOrigin* user,
                std::span<const NamedParameter> parameters);

}  // namespace tandem::learn
