// SPDX-License-Identifier: Apache-2.0
// What a GGUF file calls a Llama's sizes and parameters.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "core/check.h"
#include "core/error.h"
#include "models/llama_source.h"

namespace tandem {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kLayerNames = {{
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"self_attn.o_proj", "attn_output"},
    {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
}};

// The rotation's stretching as the format keeps it: frequency j is divided by factor j. The files
// do not say how the factors were made, so those of Llama 3.1 and 3.2 are tried.
Llama3RopeScaling recognise_scaling(const GgufFile& file, const LlamaConfig& plain) {
  const GgufTensor& tensor = file.at("rope_freqs.weight");
  const std::vector<double> unscaled = plain.inverse_frequencies();
  std::vector<float> factors(unscaled.size());
  if (tensor.type != GgmlType::kF32 || tensor.count() != static_cast<int64_t>(factors.size()))
    throw FormatError("{}: tensor 'rope_freqs.weight' is not F32 [{}]", file.path().string(),
                      factors.size());
  tensor.dequantize_rows(0, tensor.count() / tensor.columns(), factors.data());
  for (const double factor : {8.0, 32.0, double{factors.back()}}) {
    LlamaConfig scaled = plain;
    scaled.rope_scaling = Llama3RopeScaling{.factor = factor};
    if (!(factor >= 1) || !std::isfinite(factor)) continue;
    const std::vector<double> wanted = scaled.inverse_frequencies();
    bool fits = true;
    for (size_t j = 0; j < factors.size(); ++j)
      fits = fits && std::abs(unscaled[j] / wanted[j] - factors[j]) <= 1e-4 * factors[j];
    if (fits) return *scaled.rope_scaling;
  }
  throw FormatError(
      "{}: tensor 'rope_freqs.weight' is not Llama 3's scaling (low 1, high 4, 8192 "
      "positions)",
      file.path().string());
}

// The files hold float32: 1e-5 is 9.99999975e-06 there, and should be 1e-5 again in config.json.
double shortest(double value) {
  return std::strtod(fmt::format("{}", static_cast<float>(value)).c_str(), nullptr);
}

}  // namespace

std::string gguf_tensor_name(const std::string& hf_name) {
  if (hf_name == "model.embed_tokens.weight") return "token_embd.weight";
  if (hf_name == "model.norm.weight") return "output_norm.weight";
  if (hf_name == "lm_head.weight") return "output.weight";
  constexpr std::string_view kPrefix = "model.layers.";
  const size_t dot = hf_name.find('.', kPrefix.size());
  const size_t end = hf_name.rfind('.');
  TANDEM_CHECK(hf_name.starts_with(kPrefix) && dot < end, "{}", hf_name);
  const std::string layer = hf_name.substr(kPrefix.size(), dot - kPrefix.size());
  const std::string name = hf_name.substr(dot + 1, end - dot - 1);
  const auto found = std::find_if(kLayerNames.begin(), kLayerNames.end(),
                                  [&](const auto& names) { return names.first == name; });
  TANDEM_CHECK(found != kLayerNames.end(), "{}", hf_name);
  return fmt::format("blk.{}.{}{}", layer, found->second, hf_name.substr(end));
}

// Put into the spelling of config.json first, whose reader checks every value.
LlamaConfig gguf_llama_config(const GgufFile& file) {
  const GgufMetadata& metadata = file.metadata();
  const std::string where = file.path().string();
  const std::string arch(metadata.text("general.architecture"));
  if (arch != "llama" && arch != "qwen2" && arch != "qwen3")
    throw FormatError("{}: general.architecture is '{}', expected llama, qwen2 or qwen3", where,
                      arch);
  const auto key = [&](std::string_view name) { return fmt::format("{}.{}", arch, name); };
  Json json = {{"model_type", arch}};
  const auto copy = [&](const char* hf, std::string_view name, bool required) {
    const auto value = metadata.integer(key(name));
    if (!value && required) throw FormatError("{}: key '{}' is missing", where, key(name));
    if (value) json[hf] = *value;
  };
  copy("hidden_size", "embedding_length", true);
  copy("num_hidden_layers", "block_count", true);
  copy("intermediate_size", "feed_forward_length", true);
  copy("num_attention_heads", "attention.head_count", true);
  copy("num_key_value_heads", "attention.head_count_kv", false);
  copy("max_position_embeddings", "context_length", true);
  copy("head_dim", "rope.dimension_count", false);
  copy("head_dim", "attention.key_length", false);
  json["vocab_size"] = file.at("token_embd.weight").shape.front();
  const auto copy_float = [&](const char* hf, std::string_view name) {
    const auto value = metadata.number(key(name));
    if (value) json[hf] = shortest(*value);
  };
  copy_float("rms_norm_eps", "attention.layer_norm_rms_epsilon");
  copy_float("rope_theta", "rope.freq_base");
  json["tie_word_embeddings"] = !file.contains("output.weight");
  if (metadata.integer(key("expert_count")).value_or(0) > 0)
    throw FormatError("{}: a mixture of experts is not supported", where);
  const auto same = [&](std::string_view name) {
    const auto value = metadata.integer(key(name));
    if (value && json.contains("head_dim") && json["head_dim"] != *value)
      throw FormatError("{}: {} is {}, expected the head's {}", where, key(name), *value,
                        json["head_dim"].dump());
  };
  same("rope.dimension_count");
  same("attention.value_length");
  if (arch == "llama" && (file.contains("blk.0.attn_q.bias") || file.contains("blk.0.ffn_up.bias")))
    throw FormatError("{}: biases in the llama architecture are not supported", where);
  if (metadata.contains(key("rope.scaling.type"))) {
    const std::string_view scaling = metadata.text(key("rope.scaling.type"));
    if (scaling == "linear") {
      json["rope_scaling"] = {{"rope_type", "linear"},
                              {"factor", metadata.number(key("rope.scaling.factor")).value_or(1)}};
    } else if (scaling != "none") {
      throw FormatError("{}: {} is '{}', expected none or linear", where, key("rope.scaling.type"),
                        scaling);
    }
  }
  if (const auto window = metadata.integer(key("attention.sliding_window"));
      window && *window > 0) {
    if (arch == "llama") json["model_type"] = "mistral";
    json["sliding_window"] = *window;
    json["use_sliding_window"] = true;
    json["max_window_layers"] = 0;
  }
  const auto token = [&](const char* hf, const char* name) {
    if (const auto id = metadata.integer(name)) json[hf] = *id;
  };
  token("bos_token_id", "tokenizer.ggml.bos_token_id");
  // Chat models end a turn with a token of its own, beside the end of a text.
  Json eos = Json::array();
  for (const char* name : {"eos_token_id", "eot_token_id", "eom_token_id"}) {
    const auto id = metadata.integer(fmt::format("tokenizer.ggml.{}", name));
    if (id && std::find(eos.begin(), eos.end(), *id) == eos.end()) eos.push_back(*id);
  }
  if (!eos.empty()) json["eos_token_id"] = eos.size() == 1 ? eos[0] : eos;
  LlamaConfig config = LlamaConfig::from_json(json, where);
  if (file.contains("rope_freqs.weight")) config.rope_scaling = recognise_scaling(file, config);
  return config;
}

}  // namespace tandem
