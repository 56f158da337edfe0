// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "models/llama_config.h"

namespace tandem::test {

// A tower of HLLM: two layers of two heads, with a table of 40 words or none.
inline LlamaConfig tiny_tower(int64_t width, bool words) {
  LlamaConfig config;
  config.vocab_size = 40;
  config.hidden_size = width;
  config.intermediate_size = 24;
  config.num_layers = 2;
  config.num_heads = config.num_kv_heads = 2;
  config.head_dim = width / 2;
  config.has_embedding = words;
  config.has_head = false;
  return config;
}

}  // namespace tandem::test
