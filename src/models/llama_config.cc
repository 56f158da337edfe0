// SPDX-License-Identifier: Apache-2.0
#include "models/llama_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "core/version.h"

namespace tandem {
namespace {

// So large that no model is refused, so small that no sum of products overflows.
constexpr int64_t kLargestSize = int64_t{1} << 22;
constexpr int64_t kMostPositions = int64_t{1} << 40;
constexpr int64_t kMostLayers = 4096;

// Checked before the first use of a key, so that wrong types name the key.
struct Reader {
  const Json& json;
  std::string where;

  int64_t size(std::string_view key, std::optional<int64_t> fallback = {},
               int64_t most = kLargestSize) const {
    const Json value = fallback ? json_get_or<Json>(json, key, *fallback, where)
                                : json_get<Json>(json, key, where);
    if (!value.is_number_integer() || value < 1 || value > most)
      bad(key, value, fmt::format("a whole number from 1 to {}", most));
    return value.get<int64_t>();
  }
  int64_t positions(std::string_view key, std::optional<int64_t> fallback = {}) const {
    return size(key, fallback, kMostPositions);
  }
  double number(std::string_view key, double fallback) const {
    const Json value = json_get_or<Json>(json, key, fallback, where);
    if (!value.is_number()) bad(key, value, "a number");
    return value.get<double>();
  }
  bool flag(std::string_view key, bool fallback) const {
    const Json value = json_get_or<Json>(json, key, fallback, where);
    if (!value.is_boolean()) bad(key, value, "true or false");
    return value.get<bool>();
  }
  std::string text(std::string_view key, const std::string& fallback) const {
    return json_get_or<std::string>(json, key, fallback, where);
  }
  bool has(std::string_view key) const {
    const auto found = json.find(key);
    return found != json.end() && !found->is_null();
  }
  [[noreturn]] void bad(std::string_view key, const Json& value, std::string_view want) const {
    throw FormatError("{}: key '{}' is {}, expected {}", where, key, value.dump().substr(0, 80),
                      want);
  }
};

Llama3RopeScaling read_llama3_scaling(const Reader& rope) {
  return {.factor = rope.number("factor", 8),
          .low_freq_factor = rope.number("low_freq_factor", 1),
          .high_freq_factor = rope.number("high_freq_factor", 4),
          .original_positions = rope.positions("original_max_position_embeddings")};
}

// transformers 5 writes rope_parameters {rope_theta, rope_type, ...}; before it was rope_theta
// beside rope_scaling {type or rope_type, ...} or null.
void read_rope(const Reader& reader, LlamaConfig& config) {
  config.rope_theta = reader.number("rope_theta", config.rope_theta);
  const char* key = reader.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
  if (!reader.has(key)) return;
  const Json& value = reader.json.at(key);
  if (!value.is_object()) reader.bad(key, value, "an object or null");
  const Reader rope{value, reader.where + ": " + key};
  config.rope_theta = rope.number("rope_theta", config.rope_theta);
  const std::string type = rope.text("rope_type", rope.text("type", "default"));
  if (type == "llama3") {
    config.rope_scaling = read_llama3_scaling(rope);
  } else if (type == "linear") {
    config.rope_linear_factor = rope.number("factor", 1);
  } else if (type != "default") {
    throw FormatError("{}: rope_type is '{}', expected 'default', 'linear' or 'llama3'", rope.where,
                      type);
  }
}

// Which layers see a window only. layer_types says it for each layer; without it Mistral's are all,
// and Qwen's those from max_window_layers on, where use_sliding_window is true.
void read_windows(const Reader& reader, LlamaConfig& config) {
  const bool is_qwen = config.model_type.starts_with("qwen");
  if (config.model_type == "llama" || !reader.has("sliding_window")) return;
  if (is_qwen && !reader.flag("use_sliding_window", false)) return;
  const int64_t window = reader.positions("sliding_window");
  config.windows.assign(static_cast<size_t>(config.num_layers), window);
  if (reader.has("layer_types")) {
    const Json& types = reader.json.at("layer_types");
    if (!types.is_array() || types.size() != config.windows.size())
      reader.bad("layer_types", types, "one entry for each layer");
    for (size_t i = 0; i < config.windows.size(); ++i) {
      if (types[i] == "full_attention") {
        config.windows[i] = 0;
      } else if (types[i] != "sliding_attention") {
        reader.bad("layer_types", types[i], "full_attention or sliding_attention");
      }
    }
  } else if (is_qwen) {
    const Json first = json_get_or<Json>(reader.json, "max_window_layers", 28, reader.where);
    if (!first.is_number_integer() || first < 0 || first > kLargestSize)
      reader.bad("max_window_layers", first, "a number of layers");
    const int64_t full = std::min(first.get<int64_t>(), config.num_layers);
    std::fill_n(config.windows.begin(), full, 0);
  }
}

// eos_token_id is a number, a list of numbers or null.
std::vector<int64_t> read_tokens(const Reader& reader, std::string_view key) {
  if (!reader.has(key)) return {};
  const Json& value = reader.json.at(key);
  std::vector<int64_t> tokens;
  for (const Json& token : value.is_array() ? value : Json::array({value})) {
    if (!token.is_number_integer()) reader.bad(key, value, "a token id, a list of them or null");
    if (token < 0) continue;  // some configurations write -1 for "none"
    tokens.push_back(token.get<int64_t>());
  }
  return tokens;
}

void want_value(const Reader& reader, std::string_view key, const Json& wanted) {
  if (!reader.has(key) || reader.json.at(key) == wanted) return;
  reader.bad(key, reader.json.at(key), wanted.dump());
}

}  // namespace

LlamaConfig LlamaConfig::from_json(const Json& json, std::string_view where) {
  if (!json.is_object()) throw FormatError("{}: expected an object", where);
  const Reader reader{json, std::string(where)};
  LlamaConfig config;
  config.model_type = json_get<std::string>(json, "model_type", where);
  const std::string& type = config.model_type;
  if (type != "llama" && type != "mistral" && type != "qwen2" && type != "qwen3") {
    throw FormatError("{}: model_type is '{}', expected llama, mistral, qwen2 or qwen3", where,
                      type);
  }
  want_value(reader, "hidden_act", "silu");
  want_value(reader, "mlp_bias", false);
  want_value(reader, "partial_rotary_factor", 1.0);
  config.vocab_size = reader.size("vocab_size");
  config.hidden_size = reader.size("hidden_size");
  config.intermediate_size = reader.size("intermediate_size");
  config.num_layers = reader.size("num_hidden_layers");
  if (config.num_layers > kMostLayers)
    reader.bad("num_hidden_layers", config.num_layers, fmt::format("at most {}", kMostLayers));
  config.num_heads = reader.size("num_attention_heads");
  config.num_kv_heads = reader.size("num_key_value_heads", config.num_heads);
  // Qwen3 has head_dim 128 by definition; the others divide the width.
  const int64_t divided = std::max<int64_t>(1, config.hidden_size / config.num_heads);
  config.head_dim = reader.size("head_dim", type == "qwen3" ? 128 : divided);
  config.max_positions = reader.positions("max_position_embeddings", config.max_positions);
  config.rms_norm_eps = reader.number("rms_norm_eps", config.rms_norm_eps);
  config.tied_head = reader.flag("tie_word_embeddings", false);
  const bool attention_bias = type != "mistral" && reader.flag("attention_bias", false);
  config.qkv_bias = type == "qwen2" || attention_bias;
  config.output_bias = type != "qwen2" && attention_bias;
  config.qk_norm = type == "qwen3";
  read_rope(reader, config);
  read_windows(reader, config);
  const std::vector<int64_t> bos = read_tokens(reader, "bos_token_id");
  if (!bos.empty()) config.bos_token = bos.front();
  config.eos_tokens = read_tokens(reader, "eos_token_id");
  config.validate(where);
  return config;
}

void LlamaConfig::validate(std::string_view where) const {
  const auto want = [&](bool holds, std::string_view what) {
    if (!holds) throw FormatError("{}: {}", where, what);
  };
  want(num_heads % num_kv_heads == 0,
       fmt::format("num_attention_heads {} is not a multiple of num_key_value_heads {}", num_heads,
                   num_kv_heads));
  want(head_dim % 2 == 0, fmt::format("head_dim {} is odd, the rotation needs pairs", head_dim));
  want(query_width() <= kLargestSize,
       fmt::format("{} heads of {} are wider than {}", num_heads, head_dim, kLargestSize));
  want(std::isfinite(rms_norm_eps) && rms_norm_eps > 0,
       fmt::format("rms_norm_eps is {}, expected a positive number", rms_norm_eps));
  want(std::isfinite(rope_theta) && rope_theta > 0,
       fmt::format("rope_theta is {}, expected a positive number", rope_theta));
  want(windows.empty() || static_cast<int64_t>(windows.size()) == num_layers,
       fmt::format("{} windows for {} layers", windows.size(), num_layers));
  want(std::isfinite(rope_linear_factor) && rope_linear_factor > 0,
       fmt::format("rope scaling's factor is {}, expected a positive number", rope_linear_factor));
  if (!rope_scaling) return;
  const Llama3RopeScaling& s = *rope_scaling;
  want(s.factor >= 1 && s.low_freq_factor > 0 && s.high_freq_factor > s.low_freq_factor,
       fmt::format("rope scaling has factor {}, low {}, high {}; expected factor >= 1 and "
                   "0 < low < high",
                   s.factor, s.low_freq_factor, s.high_freq_factor));
}

Json LlamaConfig::to_json(std::string_view dtype) const {
  const std::string architecture = model_type == "llama"     ? "LlamaForCausalLM"
                                   : model_type == "mistral" ? "MistralForCausalLM"
                                   : model_type == "qwen2"   ? "Qwen2ForCausalLM"
                                                             : "Qwen3ForCausalLM";
  Json json = {{"tandem_version", program_version()},
               {"architectures", {architecture}},
               {"model_type", model_type},
               {"vocab_size", vocab_size},
               {"hidden_size", hidden_size},
               {"intermediate_size", intermediate_size},
               {"num_hidden_layers", num_layers},
               {"num_attention_heads", num_heads},
               {"num_key_value_heads", num_kv_heads},
               {"head_dim", head_dim},
               {"hidden_act", "silu"},
               {"max_position_embeddings", max_positions},
               {"rms_norm_eps", rms_norm_eps},
               {"rope_theta", rope_theta},
               {"rope_scaling", nullptr},
               {"tie_word_embeddings", tied_head},
               {"torch_dtype", dtype}};
  if (rope_linear_factor != 1)
    json["rope_scaling"] = {{"rope_type", "linear"}, {"factor", rope_linear_factor}};
  if (rope_scaling) {
    json["rope_scaling"] = {{"rope_type", "llama3"},
                            {"factor", rope_scaling->factor},
                            {"low_freq_factor", rope_scaling->low_freq_factor},
                            {"high_freq_factor", rope_scaling->high_freq_factor},
                            {"original_max_position_embeddings", rope_scaling->original_positions}};
  }
  if (model_type == "llama" || model_type == "qwen3") json["attention_bias"] = output_bias;
  if (!windows.empty()) {
    Json types = Json::array();
    for (const int64_t w : windows) types.push_back(w ? "sliding_attention" : "full_attention");
    json["sliding_window"] = *std::max_element(windows.begin(), windows.end());
    json["layer_types"] = types;
    if (model_type != "mistral") json["use_sliding_window"] = true;
  } else if (model_type != "llama") {
    json["sliding_window"] = nullptr;
  }
  if (bos_token) json["bos_token_id"] = *bos_token;
  if (eos_tokens.size() == 1) json["eos_token_id"] = eos_tokens.front();
  if (eos_tokens.size() > 1) json["eos_token_id"] = eos_tokens;
  return json;
}

int64_t LlamaConfig::num_parameters() const {
  int64_t total = 0;
  for (const TensorSpec& tensor : llama_tensors(*this)) total += tensor.count();
  return total;
}

int64_t LlamaConfig::flops_per_token(bool with_head) const {
  const int64_t attention = hidden_size * (2 * query_width() + 2 * kv_width());
  const int64_t layer = attention + 3 * hidden_size * intermediate_size;
  return 2 * (num_layers * layer + (with_head ? hidden_size * vocab_size : 0));
}

int64_t LlamaConfig::kv_cache_bytes_per_token(int64_t element_bytes) const {
  return num_layers * 2 * kv_width() * element_bytes;
}

std::vector<double> LlamaConfig::inverse_frequencies() const {
  std::vector<double> frequencies(static_cast<size_t>(head_dim / 2));
  for (size_t j = 0; j < frequencies.size(); ++j) {
    const double exponent = 2.0 * static_cast<double>(j) / static_cast<double>(head_dim);
    double f = std::pow(rope_theta, -exponent) / rope_linear_factor;
    if (rope_scaling) {
      const Llama3RopeScaling& s = *rope_scaling;
      // Rotations within the original context; few rotations are stretched by the factor.
      const double turns = static_cast<double>(s.original_positions) * f / (2 * std::numbers::pi);
      const double keep = std::clamp(
          (turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor), 0.0, 1.0);
      f = (1 - keep) * f / s.factor + keep * f;
    }
    frequencies[j] = f;
  }
  return frequencies;
}

std::string llama_layer_prefix(int64_t layer) { return fmt::format("model.layers.{}.", layer); }

std::vector<TensorSpec> llama_tensors(const LlamaConfig& c) {
  std::vector<TensorSpec> tensors;
  const int64_t d = c.hidden_size, q = c.query_width(), kv = c.kv_width();
  if (c.has_embedding) tensors.push_back({"model.embed_tokens.weight", {c.vocab_size, d}});
  for (int64_t layer = 0; layer < c.num_layers; ++layer) {
    const std::string prefix = llama_layer_prefix(layer);
    const auto add = [&](std::string_view name, std::vector<int64_t> shape) {
      tensors.push_back({prefix + std::string(name), std::move(shape)});
    };
    const auto add_linear = [&](const std::string& name, int64_t out, int64_t in, bool bias) {
      add(name + ".weight", {out, in});
      if (bias) add(name + ".bias", {out});
    };
    add("input_layernorm.weight", {d});
    add_linear("self_attn.q_proj", q, d, c.qkv_bias);
    add_linear("self_attn.k_proj", kv, d, c.qkv_bias);
    add_linear("self_attn.v_proj", kv, d, c.qkv_bias);
    if (c.qk_norm) {
      add("self_attn.q_norm.weight", {c.head_dim});
      add("self_attn.k_norm.weight", {c.head_dim});
    }
    add_linear("self_attn.o_proj", d, q, c.output_bias);
    add("post_attention_layernorm.weight", {d});
    add_linear("mlp.gate_proj", c.intermediate_size, d, false);
    add_linear("mlp.up_proj", c.intermediate_size, d, false);
    add_linear("mlp.down_proj", d, c.intermediate_size, false);
  }
  tensors.push_back({"model.norm.weight", {d}});
  if (c.has_head && !c.tied_head) tensors.push_back({"lm_head.weight", {c.vocab_size, d}});
  return tensors;
}

}  // namespace tandem
