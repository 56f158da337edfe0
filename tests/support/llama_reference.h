// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <numbers>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "core/file.h"
#include "core/json.h"
#include "core/rng.h"
#include "formats/safetensors.h"

namespace tandem::test {

// The Llama family a second time, to check engine and learn against: plain loops in double, written
// from the papers and from transformers' modelling files. It reads config.json by itself and shares
// no line with src/models, src/engine or src/learn.
struct LlamaReference {
  using Vector = std::vector<double>;
  using Rows = std::vector<Vector>;  // one vector a position
  struct Weight {
    int64_t rows, columns;  // a vector has one row
    Vector values;
  };

  Json config;                            // as transformers writes it
  std::map<std::string, Weight> weights;  // by Hugging Face's names

  // Random weights, each a float32: matrices wide enough that attention is not flat, norms around
  // one, biases not zero.
  static LlamaReference random(const Json& config, uint64_t seed) {
    LlamaReference model{config, {}};
    Rng rng(seed);
    const auto add = [&](const std::string& name, int64_t rows, int64_t columns, double mean,
                         double stddev) {
      Vector values(static_cast<size_t>(rows * columns));
      for (double& v : values) v = static_cast<float>(mean + stddev * rng.normal());
      model.weights[name] = {rows, columns, values};
    };
    const auto matrix = [&](const std::string& name, int64_t out, int64_t in) {
      add(name, out, in, 0, 1.2 / std::sqrt(static_cast<double>(in)));
    };
    const auto norm = [&](const std::string& name, int64_t size) { add(name, 1, size, 1, 0.3); };
    const auto bias = [&](const std::string& name, int64_t size) { add(name, 1, size, 0, 0.5); };
    const std::string type = config.at("model_type");
    const int64_t d = config.at("hidden_size"), inner = config.at("intermediate_size"),
                  vocabulary = config.at("vocab_size"), q = model.heads() * model.head_dim(),
                  kv = model.kv_heads() * model.head_dim();
    const bool attention_bias = config.value("attention_bias", false);
    matrix("model.embed_tokens.weight", vocabulary, d);
    for (int64_t i = 0; i < model.layers(); ++i) {
      const std::string layer = "model.layers." + std::to_string(i) + ".";
      norm(layer + "input_layernorm.weight", d);
      norm(layer + "post_attention_layernorm.weight", d);
      for (const auto& [name, out, in] : {std::tuple<const char*, int64_t, int64_t>{"q", q, d},
                                          {"k", kv, d},
                                          {"v", kv, d},
                                          {"o", d, q}}) {
        matrix(layer + "self_attn." + name + "_proj.weight", out, in);
        if (attention_bias || (type == "qwen2" && *name != 'o'))
          bias(layer + "self_attn." + name + "_proj.bias", out);
      }
      if (type == "qwen3") {
        norm(layer + "self_attn.q_norm.weight", model.head_dim());
        norm(layer + "self_attn.k_norm.weight", model.head_dim());
      }
      matrix(layer + "mlp.gate_proj.weight", inner, d);
      matrix(layer + "mlp.up_proj.weight", inner, d);
      matrix(layer + "mlp.down_proj.weight", d, inner);
    }
    norm("model.norm.weight", d);
    if (!config.value("tie_word_embeddings", false)) matrix("lm_head.weight", vocabulary, d);
    return model;
  }

  // The weights of a folder in float32.
  static LlamaReference read(const fs::path& folder) {
    LlamaReference model{read_json(folder / "config.json"), {}};
    const SafetensorsFile file(folder / "model.safetensors");
    for (const auto& [name, view] : file.tensors()) {
      const std::span<const float> values = view.as<float>();
      model.weights[name] = {view.shape.size() == 2 ? view.shape[0] : 1, view.shape.back(),
                             Vector(values.begin(), values.end())};
    }
    return model;
  }

  // A language model whose scores depend on the last token alone: scores[last][next]. Its layer
  // adds nothing, its states are unit vectors, its head is the table. For tests by hand.
  static LlamaReference bigram(const std::vector<std::vector<float>>& scores) {
    const auto size = std::ssize(scores);
    LlamaReference model = random({{"model_type", "llama"},
                                   {"vocab_size", size},
                                   {"hidden_size", size},
                                   {"intermediate_size", 2},
                                   {"num_hidden_layers", 1},
                                   {"num_attention_heads", 1},
                                   {"head_dim", 2},
                                   {"rms_norm_eps", 1e-12}},
                                  1);
    for (const char* silent : {"self_attn.o_proj", "mlp.down_proj"})
      for (double& v : model.weights.at(fmt::format("model.layers.0.{}.weight", silent)).values)
        v = 0;
    Vector& embedding = model.weights.at("model.embed_tokens.weight").values;
    Vector& head = model.weights.at("lm_head.weight").values;
    for (int64_t last = 0; last < size; ++last) {
      for (int64_t next = 0; next < size; ++next) {
        embedding[last * size + next] = last == next;
        head[next * size + last] = scores[last][next];
      }
    }
    // The norm of a unit vector e is sqrt(size) e.
    for (double& v : model.weights.at("model.norm.weight").values)
      v = static_cast<float>(1 / std::sqrt(static_cast<double>(size)));
    return model;
  }

  int64_t layers() const { return config.at("num_hidden_layers"); }
  int64_t heads() const { return config.at("num_attention_heads"); }
  int64_t kv_heads() const { return config.value("num_key_value_heads", heads()); }
  int64_t head_dim() const {
    return config.value("head_dim", config.at("hidden_size").get<int64_t>() / heads());
  }

  // A folder for the program: config.json and model.safetensors in float32.
  void write(const fs::path& folder) const {
    fs::create_directories(folder);
    std::vector<std::vector<float>> data;
    std::vector<TensorView> views;
    data.reserve(weights.size());
    for (const auto& [name, weight] : weights) {
      data.emplace_back(weight.values.begin(), weight.values.end());
      std::vector<int64_t> shape{weight.rows, weight.columns};
      if (name.ends_with("norm.weight") || name.ends_with(".bias")) shape.erase(shape.begin());
      views.push_back({name, DType::kF32, shape, std::as_bytes(std::span(data.back()))});
    }
    write_json(folder / "config.json", config);
    write_safetensors(folder / "model.safetensors", views);
  }

  // W += scale B A, as LoRA; a [rank, in], b [out, rank].
  void add_low_rank(const std::string& module, int64_t rank, const std::vector<float>& a,
                    const std::vector<float>& b, double scale) {
    Weight& w = weights.at(module + ".weight");
    for (int64_t o = 0; o < w.rows; ++o)
      for (int64_t i = 0; i < w.columns; ++i)
        for (int64_t r = 0; r < rank; ++r)
          w.values[o * w.columns + i] += scale * b[o * rank + r] * a[r * w.columns + i];
  }

  // Scores of all tokens after each token of one sequence that begins at position 0.
  Rows logits(std::span<const int32_t> tokens) const {
    const Weight& embedding = weights.at("model.embed_tokens.weight");
    Rows x;
    for (const int32_t token : tokens) {
      const auto row = embedding.values.begin() + token * embedding.columns;
      x.emplace_back(row, row + embedding.columns);
    }
    for (int64_t i = 0; i < layers(); ++i) {
      const std::string layer = "model.layers." + std::to_string(i) + ".";
      const Rows attended = attention(i, layer + "self_attn.", x, layer + "input_layernorm");
      for (size_t t = 0; t < x.size(); ++t) {
        add(x[t], attended[t]);
        const Vector normed = rms_norm(x[t], layer + "post_attention_layernorm");
        Vector inner = linear(normed, layer + "mlp.gate_proj");
        const Vector up = linear(normed, layer + "mlp.up_proj");
        for (size_t j = 0; j < inner.size(); ++j) inner[j] *= up[j] / (1 + std::exp(-inner[j]));
        add(x[t], linear(inner, layer + "mlp.down_proj"));
      }
    }
    Rows scores;
    for (const Vector& state : x)
      scores.push_back(linear(rms_norm(state, "model.norm"), weights.contains("lm_head.weight")
                                                                 ? "lm_head"
                                                                 : "model.embed_tokens"));
    return scores;
  }

  // log softmax(scores)[token]
  static double log_probability(const Vector& scores, int64_t token) {
    double sum = 0;
    for (const double score : scores) sum += std::exp(score);
    return scores[token] - std::log(sum);
  }

 private:
  static void add(Vector& x, const Vector& y) {
    for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }

  Vector linear(const Vector& x, const std::string& module) const {
    const Weight& w = weights.at(module + ".weight");
    Vector y(w.rows, 0.0);
    for (int64_t o = 0; o < w.rows; ++o)
      for (int64_t i = 0; i < w.columns; ++i) y[o] += w.values[o * w.columns + i] * x[i];
    const auto bias = weights.find(module + ".bias");
    if (bias != weights.end()) add(y, bias->second.values);
    return y;
  }

  // Zhang and Sennrich: x / sqrt(mean(x^2) + eps) * weight
  Vector rms_norm(const Vector& x, const std::string& module) const {
    double squares = 0;
    for (const double v : x) squares += v * v;
    const double eps = config.at("rms_norm_eps");
    const double root = std::sqrt(squares / static_cast<double>(x.size()) + eps);
    const Vector& weight = weights.at(module + ".weight").values;
    Vector y;
    for (size_t i = 0; i < x.size(); ++i) y.push_back(x[i] / root * weight[i]);
    return y;
  }

  // transformers' modeling_rope_utils: default, linear, llama3.
  double inverse_frequency(int64_t pair) const {
    const char* key = config.contains("rope_parameters") ? "rope_parameters" : "rope_scaling";
    Json rope = config.value(key, Json::object());
    if (rope.is_null()) rope = Json::object();
    const double theta = rope.value("rope_theta", config.value("rope_theta", 10000.0));
    const double f =
        1 / std::pow(theta, 2.0 * static_cast<double>(pair) / static_cast<double>(head_dim()));
    const std::string type = rope.value("rope_type", rope.value("type", "default"));
    if (type == "linear") return f / rope.at("factor").get<double>();
    if (type != "llama3") return f;
    const double factor = rope.at("factor"), low = rope.at("low_freq_factor"),
                 high = rope.at("high_freq_factor"),
                 original = rope.at("original_max_position_embeddings");
    const double wavelength = 2 * std::numbers::pi / f;
    if (wavelength < original / high) return f;
    if (wavelength > original / low) return f / factor;
    const double smooth = (original / wavelength - low) / (high - low);
    return (1 - smooth) * f / factor + smooth * f;
  }

  // One head of one position: x cos + rotate_half(x) sin, where rotate_half(x) = (-second, first).
  static Vector rotated(Vector x, int64_t position, const Vector& frequencies) {
    const int64_t half = std::ssize(frequencies);
    const Vector before = x;
    for (int64_t j = 0; j < 2 * half; ++j) {
      const double angle = static_cast<double>(position) * frequencies[j % half];
      const double other = j < half ? -before[j + half] : before[j - half];
      x[j] = before[j] * std::cos(angle) + other * std::sin(angle);
    }
    return x;
  }

  // How many positions one of this layer sees, itself included; 0: all.
  int64_t window(int64_t layer) const {
    const std::string type = config.at("model_type");
    if (type == "llama" || !config.contains("sliding_window")) return 0;
    const int64_t size = config.at("sliding_window");
    if (config.contains("layer_types"))
      return config.at("layer_types")[layer] == "sliding_attention" ? size : 0;
    if (type == "mistral") return size;
    const bool slides = config.value("use_sliding_window", false);
    return slides && layer >= config.value("max_window_layers", 28) ? size : 0;
  }

  Rows attention(int64_t layer, const std::string& prefix, const Rows& x,
                 const std::string& input_norm) const {
    const int64_t width = head_dim(), positions = std::ssize(x), sees = window(layer);
    Vector frequencies;
    for (int64_t j = 0; j < width / 2; ++j) frequencies.push_back(inverse_frequency(j));
    // One head of a projection, normed where the model has such a norm.
    const auto head_of = [&](const Vector& all, int64_t head, const std::string& norm) {
      const auto begin = all.begin() + head * width;
      const Vector one(begin, begin + width);
      return weights.contains(prefix + norm + ".weight") ? rms_norm(one, prefix + norm) : one;
    };
    std::vector<Rows> q(heads()), k(kv_heads()), v(kv_heads());
    for (int64_t t = 0; t < positions; ++t) {
      const Vector normed = rms_norm(x[t], input_norm);
      const Vector queries = linear(normed, prefix + "q_proj"),
                   keys = linear(normed, prefix + "k_proj"),
                   values = linear(normed, prefix + "v_proj");
      for (int64_t h = 0; h < heads(); ++h)
        q[h].push_back(rotated(head_of(queries, h, "q_norm"), t, frequencies));
      for (int64_t h = 0; h < kv_heads(); ++h) {
        k[h].push_back(rotated(head_of(keys, h, "k_norm"), t, frequencies));
        v[h].push_back(head_of(values, h, "no norm"));
      }
    }
    Rows out;
    for (int64_t t = 0; t < positions; ++t) {
      Vector mixed(heads() * width, 0.0);
      const int64_t first = sees > 0 ? std::max<int64_t>(0, t - sees + 1) : 0;
      for (int64_t h = 0; h < heads(); ++h) {
        const int64_t kv = h * kv_heads() / heads();
        Vector share;
        double sum = 0;
        for (int64_t s = first; s <= t; ++s) {
          double dot = 0;
          for (int64_t j = 0; j < width; ++j) dot += q[h][t][j] * k[kv][s][j];
          share.push_back(std::exp(dot / std::sqrt(static_cast<double>(width))));
          sum += share.back();
        }
        for (int64_t s = first; s <= t; ++s)
          for (int64_t j = 0; j < width; ++j)
            mixed[h * width + j] += share[s - first] / sum * v[kv][s][j];
      }
      out.push_back(linear(mixed, prefix + "o_proj"));
    }
    return out;
  }
};

struct LlamaVariant {
  std::string name;
  Json config;
};

// One of each kind in the family, and each of its switches by itself. Small, of head widths and
// counts that differ; eps is so large that its place in the formula shows.
inline std::vector<LlamaVariant> llama_variants() {
  const Json base = {{"model_type", "llama"},
                     {"vocab_size", 61},
                     {"hidden_size", 24},
                     {"intermediate_size", 40},
                     {"num_hidden_layers", 3},
                     {"num_attention_heads", 4},
                     {"num_key_value_heads", 2},
                     {"max_position_embeddings", 256},
                     {"rms_norm_eps", 0.05},
                     {"rope_theta", 10000.0},
                     {"head_dim", 8}};
  const Json llama3 = {{"rope_type", "llama3"},
                       {"factor", 8.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 64}};
  std::vector<LlamaVariant> variants;
  const auto add = [&](const std::string& name, const Json& changes) {
    Json config = base;
    for (const auto& [key, value] : changes.items()) {
      if (value.is_null()) {
        config.erase(key);
      } else {
        config[key] = value;
      }
    }
    variants.push_back({name, config});
  };
  add("grouped queries", Json::object());
  add("a key head for each query head", {{"num_key_value_heads", 4}});
  add("key heads by default", {{"num_key_value_heads", nullptr}});
  add("one key head", {{"num_key_value_heads", 1}});
  add("heads that divide the width", {{"head_dim", nullptr}});
  add("tied head", {{"tie_word_embeddings", true}});
  add("another theta", {{"rope_theta", 50.0}});
  add("linear rope", {{"rope_scaling", {{"type", "linear"}, {"factor", 4.0}}}});
  add("linear rope in transformers 5",
      {{"rope_theta", nullptr},
       {"rope_parameters", {{"rope_type", "linear"}, {"factor", 2.5}, {"rope_theta", 300.0}}}});
  add("llama3 rope", {{"rope_scaling", llama3}, {"head_dim", 16}});
  add("biases", {{"attention_bias", true}});
  add("mistral", {{"model_type", "mistral"}, {"sliding_window", 5}});
  add("mistral with full layers",
      {{"model_type", "mistral"},
       {"sliding_window", 9},
       {"layer_types", {"sliding_attention", "full_attention", "sliding_attention"}}});
  add("qwen2", {{"model_type", "qwen2"}});
  add("qwen2 with windows", {{"model_type", "qwen2"},
                             {"use_sliding_window", true},
                             {"sliding_window", 6},
                             {"max_window_layers", 1}});
  add("qwen3", {{"model_type", "qwen3"}, {"head_dim", 10}, {"tie_word_embeddings", true}});
  add("qwen3 with biases", {{"model_type", "qwen3"}, {"attention_bias", true}});
  return variants;
}

}  // namespace tandem::test
