// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/llama_config.h"
#include "models/retriever_config.h"

namespace tandem {

// Before the trunk's parameters, whose own names are those of a Hugging Face folder.
inline constexpr const char* kLlmIdTrunk = "user_llm.";

// The Llama that LLMIDRec reads items with: the sizes are the retriever's, rotation and norms
// TinyLlama's, which its authors take; no word table and no head. Defaults where the retriever's
// key is 0: as many key heads as heads, a feed-forward layer of 11/4 of the width.
LlamaConfig llmid_trunk(const RetrieverModelConfig& config);

}  // namespace tandem
