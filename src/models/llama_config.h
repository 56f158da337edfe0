// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "formats/hf_folder.h"

namespace tandem {

// Llama 3.1's stretching of the rotary frequencies. With wavelength w = 2 pi / f:
//
//     w < L0 / high       f                          L0 = original_positions
//     w > L0 / low        f / factor
//     else                (1 - s) f / factor + s f   s = (L0 / w - low) / (high - low)
struct Llama3RopeScaling {
  double factor = 8;
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  int64_t original_positions = 8192;
};

// What a model of the Llama family is: Llama 1 to 3, TinyLlama, Mistral, Qwen2, Qwen3. Defaults are
// those of transformers' LlamaConfig. Read from a Hugging Face config.json in the spelling of
// released checkpoints (rope_theta, rope_scaling, torch_dtype) and in that of transformers 5
// (rope_parameters, dtype).
struct LlamaConfig {
  std::string model_type = "llama";  // llama, mistral, qwen2, qwen3
  int64_t vocab_size = 32000;
  int64_t hidden_size = 4096;
  int64_t intermediate_size = 11008;
  int64_t num_layers = 32;
  int64_t num_heads = 32;
  int64_t num_kv_heads = 32;  // query head h reads key head h / (num_heads / num_kv_heads)
  int64_t head_dim = 128;
  int64_t max_positions = 2048;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000;
  std::optional<Llama3RopeScaling> rope_scaling = {};
  double rope_linear_factor = 1;  // positions count 1 / factor each ("linear" scaling)
  bool tied_head = false;
  bool qkv_bias = false;     // Qwen2, or attention_bias
  bool output_bias = false;  // on o_proj: attention_bias of Llama and Qwen3
  bool qk_norm = false;      // Qwen3: RMSNorm over each head of q and k before the rotation
  // Per layer: a position sees itself and window - 1 before it; 0 sees all. Empty: all layers 0.
  std::vector<int64_t> windows = {};
  // What a tower between vectors lacks, whatever its files hold: the word table of one that reads
  // vectors, the head of one whose states are wanted. Not in config.json.
  bool has_embedding = true, has_head = true;
  std::optional<int64_t> bos_token = {};
  std::vector<int64_t> eos_tokens = {};

  // Throw FormatError naming `where` and the key, with what was found and what was expected.
  static LlamaConfig from_json(const Json& json, std::string_view where);
  void validate(std::string_view where) const;
  // The spelling of released checkpoints, which every reader accepts; dtype is "float32", ...
  Json to_json(std::string_view dtype) const;

  int64_t window(int64_t layer) const { return windows.empty() ? 0 : windows[layer]; }
  int64_t query_width() const { return num_heads * head_dim; }
  int64_t kv_width() const { return num_kv_heads * head_dim; }

  int64_t num_parameters() const;
  // Multiply-adds count two. Products with weights of one token, its logits included where asked.
  int64_t flops_per_token(bool with_head) const;
  int64_t kv_cache_bytes_per_token(int64_t element_bytes) const;

  // Rotations per position of each pair of a head's halves, [head_dim / 2], scaled.
  std::vector<double> inverse_frequencies() const;
};

// Every parameter's name and shape, in the order of the forward pass. A tied head is the embedding
// and has no tensor of its own; what has_embedding and has_head leave out has none.
std::vector<TensorSpec> llama_tensors(const LlamaConfig& config);

// "model.layers.3.", the prefix of a layer's tensors.
std::string llama_layer_prefix(int64_t layer);

// Shapes by name, "tiny" to "llama-3-8b"; ConfigError lists the names and suggests one.
LlamaConfig llama_preset(const std::string& name);
std::vector<std::string> llama_preset_names();

}  // namespace tandem
