// SPDX-License-Identifier: Apache-2.0
#include <fmt/ranges.h>

#include "core/config.h"
#include "core/error.h"
#include "models/llama_config.h"

namespace tandem {
namespace {

struct Preset {
  const char* name;
  LlamaConfig config;
};

const std::vector<Preset>& presets() {
  static const std::vector<Preset> table = [] {
    const Llama3RopeScaling scaling_31{8, 1, 4, 8192}, scaling_32{32, 1, 4, 8192};
    LlamaConfig tiny{.vocab_size = 512,
                     .hidden_size = 64,
                     .intermediate_size = 172,
                     .num_layers = 4,
                     .num_heads = 4,
                     .num_kv_heads = 2,
                     .head_dim = 16,
                     .max_positions = 2048,
                     .rms_norm_eps = 1e-5,
                     .tied_head = true,
                     .bos_token = 1,
                     .eos_tokens = {2}};
    // Llama 2 and Llama 3 at this size, with what tells the two architectures apart: own head, all
    // key and value heads against one for four, the MLP's width, the base of the rotary angles.
    LlamaConfig tiny_llama2 = tiny;
    tiny_llama2.num_kv_heads = 4;
    tiny_llama2.tied_head = false;
    LlamaConfig tiny_llama3 = tiny_llama2;
    tiny_llama3.intermediate_size = 224;
    tiny_llama3.num_kv_heads = 1;
    tiny_llama3.rope_theta = 500000;
    LlamaConfig small = tiny;
    small.vocab_size = 8192;
    small.hidden_size = 256;
    small.intermediate_size = 688;
    small.num_layers = 6;
    small.num_heads = 8;
    small.num_kv_heads = 4;
    small.head_dim = 32;
    LlamaConfig base = small;
    base.vocab_size = 32000;
    base.hidden_size = 768;
    base.intermediate_size = 2048;
    base.num_layers = 12;
    base.num_heads = 12;
    base.num_kv_heads = 12;
    base.head_dim = 64;
    LlamaConfig tinyllama = base;
    tinyllama.hidden_size = 2048;
    tinyllama.intermediate_size = 5632;
    tinyllama.num_layers = 22;
    tinyllama.num_heads = 32;
    tinyllama.num_kv_heads = 4;
    tinyllama.tied_head = false;
    LlamaConfig llama2 = tinyllama;
    llama2.hidden_size = 4096;
    llama2.intermediate_size = 11008;
    llama2.num_layers = 32;
    llama2.num_kv_heads = 32;
    llama2.head_dim = 128;
    llama2.max_positions = 4096;
    LlamaConfig mistral = llama2;
    mistral.model_type = "mistral";
    mistral.intermediate_size = 14336;
    mistral.num_kv_heads = 8;
    mistral.max_positions = 32768;
    mistral.windows.assign(32, 4096);
    LlamaConfig llama3 = llama2;
    llama3.vocab_size = 128256;
    llama3.intermediate_size = 14336;
    llama3.num_kv_heads = 8;
    llama3.max_positions = 8192;
    llama3.rope_theta = 500000;
    llama3.bos_token = 128000;
    llama3.eos_tokens = {128001};
    LlamaConfig llama31 = llama3;
    llama31.max_positions = 131072;
    llama31.rope_scaling = scaling_31;
    LlamaConfig llama32 = llama31;
    llama32.hidden_size = 2048;
    llama32.intermediate_size = 8192;
    llama32.num_layers = 16;
    llama32.head_dim = 64;
    llama32.rope_scaling = scaling_32;
    llama32.tied_head = true;
    LlamaConfig llama32_3b = llama32;
    llama32_3b.hidden_size = 3072;
    llama32_3b.num_layers = 28;
    llama32_3b.num_heads = 24;
    llama32_3b.head_dim = 128;
    return std::vector<Preset>{{"tiny", tiny},
                               {"tiny-llama2", tiny_llama2},
                               {"tiny-llama3", tiny_llama3},
                               {"small", small},
                               {"base", base},
                               {"tinyllama-1.1b", tinyllama},
                               {"llama-3.2-1b", llama32},
                               {"llama-3.2-3b", llama32_3b},
                               {"mistral-7b", mistral},
                               {"llama-2-7b", llama2},
                               {"llama-3-8b", llama3},
                               {"llama-3.1-8b", llama31}};
  }();
  return table;
}

}  // namespace

std::vector<std::string> llama_preset_names() {
  std::vector<std::string> names;
  for (const Preset& preset : presets()) names.emplace_back(preset.name);
  return names;
}

LlamaConfig llama_preset(const std::string& name) {
  for (const Preset& preset : presets()) {
    if (name == preset.name) return preset.config;
  }
  const std::vector<std::string> names = llama_preset_names();
  const std::string near = nearest_word(name, names);
  throw ConfigError("preset '{}' is unknown{}; there are {}", name,
                    near.empty() ? "" : fmt::format(", did you mean '{}'?", near),
                    fmt::join(names, ", "));
}

}  // namespace tandem
