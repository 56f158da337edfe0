// SPDX-License-Identifier: Apache-2.0
#include <fmt/ranges.h>

#include "core/error.h"
#include "core/spelling.h"
#include "models/llama_config.h"

namespace tandem {
namespace {

constexpr int64_t kLlama3Ids = 128256;  // of its tokenizer

// One line a model. Heads are hidden / heads wide.
struct Preset {
  const char* name;
  const char* model_type;
  int64_t vocabulary, hidden, mlp, layers, heads, kv_heads, positions;
  double theta;
  bool tied_head;
  double rope_factor;  // of Llama 3.1's stretching; 0: none
  int64_t window;      // 0: none
};

// clang-format off
constexpr Preset kPresets[] = {
    //                            vocabulary hidden    MLP layers heads kv positions theta  tied rope window
    {"tiny",           "llama",          512,    64,   172,  4,  4,  2,   2048, 1e4,  true,  0,    0},
    // Llama 2 and Llama 3 at this size, with what tells the two architectures apart: own head, all
    // key and value heads against one for four, the MLP's width, the base of the rotary angles.
    {"tiny-llama2",    "llama",          512,    64,   172,  4,  4,  4,   2048, 1e4, false,  0,    0},
    {"tiny-llama3",    "llama",          512,    64,   224,  4,  4,  1,   2048, 5e5, false,  0,    0},
    {"small",          "llama",         8192,   256,   688,  6,  8,  4,   2048, 1e4,  true,  0,    0},
    {"base",           "llama",        32000,   768,  2048, 12, 12, 12,   2048, 1e4,  true,  0,    0},
    {"tinyllama-1.1b", "llama",        32000,  2048,  5632, 22, 32,  4,   2048, 1e4, false,  0,    0},
    {"llama-3.2-1b",   "llama",   kLlama3Ids,  2048,  8192, 16, 32,  8, 131072, 5e5,  true, 32,    0},
    {"llama-3.2-3b",   "llama",   kLlama3Ids,  3072,  8192, 28, 24,  8, 131072, 5e5,  true, 32,    0},
    {"mistral-7b",     "mistral",      32000,  4096, 14336, 32, 32,  8,  32768, 1e4, false,  0, 4096},
    {"llama-2-7b",     "llama",        32000,  4096, 11008, 32, 32, 32,   4096, 1e4, false,  0,    0},
    {"llama-3-8b",     "llama",   kLlama3Ids,  4096, 14336, 32, 32,  8,   8192, 5e5, false,  0,    0},
    {"llama-3.1-8b",   "llama",   kLlama3Ids,  4096, 14336, 32, 32,  8, 131072, 5e5, false,  8,    0},
};
// clang-format on

LlamaConfig config_of(const Preset& preset) {
  const bool llama3 = preset.vocabulary == kLlama3Ids;
  LlamaConfig config{.model_type = preset.model_type,
                     .vocab_size = preset.vocabulary,
                     .hidden_size = preset.hidden,
                     .intermediate_size = preset.mlp,
                     .num_layers = preset.layers,
                     .num_heads = preset.heads,
                     .num_kv_heads = preset.kv_heads,
                     .head_dim = preset.hidden / preset.heads,
                     .max_positions = preset.positions,
                     .rms_norm_eps = 1e-5,
                     .rope_theta = preset.theta,
                     .tied_head = preset.tied_head,
                     .bos_token = llama3 ? 128000 : 1,
                     .eos_tokens = {llama3 ? 128001 : 2}};
  if (preset.rope_factor > 0) config.rope_scaling = {preset.rope_factor, 1, 4, 8192};
  if (preset.window > 0) config.windows.assign(preset.layers, preset.window);
  return config;
}

}  // namespace

std::vector<std::string> llama_preset_names() {
  std::vector<std::string> names;
  for (const Preset& preset : kPresets) names.emplace_back(preset.name);
  return names;
}

LlamaConfig llama_preset(const std::string& name) {
  for (const Preset& preset : kPresets) {
    if (name == preset.name) return config_of(preset);
  }
  const std::vector<std::string> names = llama_preset_names();
  const std::string near = nearest_word(name, names);
  throw ConfigError("preset '{}' is unknown{}; there are {}", name,
                    near.empty() ? "" : fmt::format(", did you mean '{}'?", near),
                    fmt::join(names, ", "));
}

}  // namespace tandem
