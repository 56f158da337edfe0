// SPDX-License-Identifier: Apache-2.0
#include "models/retriever_config.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "core/error.h"

namespace tandem {
namespace {

constexpr std::string_view kLruBlock = "model.lru_blocks.";
constexpr std::string_view kSasBlock = "trm_encoder.layer.";
constexpr std::string_view kBertBlock = "model.transformer_blocks.";
constexpr std::string_view kModelTypes[] = {"lrurec", "sasrec", "narm", "bert4rec"};

void add_linear(std::vector<ParameterSpec>& specs, const std::string& name, int64_t outputs,
                int64_t inputs) {
  specs.push_back({name + ".weight", {outputs, inputs}});
  specs.push_back({name + ".bias", {outputs}});
}

void add_norm(std::vector<ParameterSpec>& specs, const std::string& name, int64_t width) {
  specs.push_back({name + ".weight", {width}});
  specs.push_back({name + ".bias", {width}});
}

std::vector<ParameterSpec> lrurec_parameters(const RetrieverModelConfig& config) {
  const int64_t width = config.width, channels = 2 * width;
  std::vector<ParameterSpec> specs;
  specs.push_back({"embedding.token.weight", {config.num_items + 1, width}});
  add_norm(specs, "embedding.layer_norm", width);
  specs.push_back({"model.bias", {config.num_items + 1}});
  for (int64_t i = 0; i < config.blocks; ++i) {
    const std::string lru = fmt::format("{}{}.lru_layer", kLruBlock, i);
    const std::string ffn = fmt::format("{}{}.feed_forward", kLruBlock, i);
    specs.push_back({lru + ".params_log", {3, channels}});
    specs.push_back({lru + ".in_proj.weight", {channels, width, 2}});
    specs.push_back({lru + ".in_proj.bias", {channels, 2}});
    specs.push_back({lru + ".out_proj.weight", {width, channels, 2}});
    specs.push_back({lru + ".out_proj.bias", {width, 2}});
    add_norm(specs, lru + ".layer_norm", width);
    add_linear(specs, ffn + ".w_1", 4 * width, width);
    add_linear(specs, ffn + ".w_2", width, 4 * width);
    add_norm(specs, ffn + ".layer_norm", width);
  }
  return specs;
}

std::vector<ParameterSpec> sasrec_parameters(const RetrieverModelConfig& config) {
  const int64_t width = config.width;
  std::vector<ParameterSpec> specs;
  specs.push_back({"item_embedding.weight", {config.num_items + 1, width}});
  specs.push_back({"position_embedding.weight", {config.max_length, width}});
  for (int64_t i = 0; i < config.blocks; ++i) {
    const std::string attention = fmt::format("{}{}.multi_head_attention", kSasBlock, i);
    const std::string ffn = fmt::format("{}{}.feed_forward", kSasBlock, i);
    for (const char* part : {".query", ".key", ".value", ".dense"})
      add_linear(specs, attention + part, width, width);
    add_norm(specs, attention + ".LayerNorm", width);
    add_linear(specs, ffn + ".dense_1", config.inner * width, width);
    add_linear(specs, ffn + ".dense_2", width, config.inner * width);
    add_norm(specs, ffn + ".LayerNorm", width);
  }
  add_norm(specs, "LayerNorm", width);
  return specs;
}

std::vector<ParameterSpec> narm_parameters(const RetrieverModelConfig& config) {
  const int64_t width = config.width, state = 2 * width;
  return {{"embedding.token.weight", {config.num_items + 1, width}},
          {"model.gru.weight_ih_l0", {3 * state, width}},
          {"model.gru.weight_hh_l0", {3 * state, state}},
          {"model.gru.bias_ih_l0", {3 * state}},
          {"model.gru.bias_hh_l0", {3 * state}},
          {"model.a_global.weight", {state, state}},
          {"model.a_local.weight", {state, state}},
          {"model.v_vector.weight", {1, state}},
          {"model.b_vetor.weight", {2 * state, width}}};
}

std::vector<ParameterSpec> bert4rec_parameters(const RetrieverModelConfig& config) {
  const int64_t width = config.width, classes = config.num_items + 2;
  std::vector<ParameterSpec> specs;
  specs.push_back({"embedding.token.weight", {classes, width}});
  specs.push_back({"embedding.position.pe.weight", {config.max_length + 1, width}});
  add_norm(specs, "embedding.layer_norm", width);
  specs.push_back({"model.bias", {classes}});
  for (int64_t i = 0; i < config.blocks; ++i) {
    const std::string block = fmt::format("{}{}.", kBertBlock, i);
    for (int part = 0; part < 3; ++part)
      add_linear(specs, fmt::format("{}attention.linear_layers.{}", block, part), width, width);
    add_linear(specs, block + "attention.output_linear", width, width);
    add_linear(specs, block + "feed_forward.w_1", config.inner * width, width);
    add_linear(specs, block + "feed_forward.w_2", width, config.inner * width);
    add_norm(specs, block + "input_sublayer.layer_norm", width);
    add_norm(specs, block + "output_sublayer.layer_norm", width);
  }
  add_linear(specs, "model.linear", width, width);
  return specs;
}

bool has_heads(std::string_view model_type) {
  return model_type == "sasrec" || model_type == "bert4rec";
}

// How many blocks the names count, "PREFIX0." to "PREFIXn.".
int64_t count_blocks(const std::map<std::string, std::vector<int64_t>>& shapes,
                     std::string_view prefix) {
  int64_t blocks = 0;
  while (true) {
    const std::string name = fmt::format("{}{}.", prefix, blocks);
    const auto found = shapes.lower_bound(name);
    if (found == shapes.end() || !found->first.starts_with(name)) return blocks;
    ++blocks;
  }
}

const std::vector<int64_t>& matrix(const std::map<std::string, std::vector<int64_t>>& shapes,
                                   const std::string& name, std::string_view where) {
  const auto found = shapes.find(name);
  if (found == shapes.end()) throw FormatError("{}: tensor '{}' is missing", where, name);
  if (found->second.size() != 2)
    throw FormatError("{}: tensor '{}' has the shape {}, expected a matrix", where, name,
                      shape_text(found->second));
  return found->second;
}

}  // namespace

std::string shape_text(const std::vector<int64_t>& shape) {
  return shape.empty() ? "a single number" : fmt::format("{}", fmt::join(shape, " x "));
}

void RetrieverModelConfig::validate(std::string_view where) const {
  if (std::ranges::find(kModelTypes, model_type) == std::end(kModelTypes))
    throw ConfigError("{}: model_type is '{}', expected one of {}", where, model_type,
                      fmt::join(kModelTypes, ", "));
  const auto in_range = [&](std::string_view key, int64_t value, int64_t most) {
    if (value < 1 || value > most)
      throw ConfigError("{}: {} is {}, expected 1 to {}", where, key, value, most);
  };
  in_range("num_items", num_items, std::numeric_limits<int32_t>::max() - 1);
  in_range("width", width, 8192);
  in_range("blocks", blocks, 256);
  in_range("max_length", max_length, 1 << 20);
  if (!has_heads(model_type)) return;
  in_range("heads", heads, width);
  in_range("inner", inner, 64);
  if (width % heads != 0)
    throw ConfigError("{}: width {} is not a multiple of heads {}", where, width, heads);
}

Json RetrieverModelConfig::to_json() const {
  Json json = {{"model_type", model_type}, {"num_items", num_items}, {"width", width}};
  if (model_type != "narm") json["blocks"] = blocks;
  if (has_heads(model_type)) {
    json["heads"] = heads;
    json["inner"] = inner;
  }
  json["max_length"] = max_length;
  if (!dataset_fingerprint.empty()) json["dataset_fingerprint"] = dataset_fingerprint;
  return json;
}

RetrieverModelConfig RetrieverModelConfig::from_json(const Json& json, std::string_view where) {
  RetrieverModelConfig config;
  config.model_type = json_get<std::string>(json, "model_type", where);
  config.num_items = json_get<int64_t>(json, "num_items", where);
  config.width = json_get<int64_t>(json, "width", where);
  if (config.model_type != "narm") config.blocks = json_get<int64_t>(json, "blocks", where);
  config.max_length = json_get<int64_t>(json, "max_length", where);
  config.dataset_fingerprint = json_get_or<std::string>(json, "dataset_fingerprint", "", where);
  if (has_heads(config.model_type)) {
    config.heads = json_get<int64_t>(json, "heads", where);
    config.inner = json_get_or<int64_t>(json, "inner", config.inner, where);
  }
  try {
    config.validate(where);
  } catch (const ConfigError& error) {
    throw FormatError("{}", error.what());
  }
  return config;
}

std::vector<ParameterSpec> retriever_parameters(const RetrieverModelConfig& config) {
  if (config.model_type == "sasrec") return sasrec_parameters(config);
  if (config.model_type == "narm") return narm_parameters(config);
  if (config.model_type == "bert4rec") return bert4rec_parameters(config);
  return lrurec_parameters(config);
}

RetrieverModelConfig config_from_shapes(const std::map<std::string, std::vector<int64_t>>& shapes,
                                        const RetrieverModelConfig& base, std::string_view where) {
  RetrieverModelConfig config = base;
  // Width of the feed-forward layer as a multiple of D, by its first matrix.
  const auto inner = [&](const std::string& name) {
    return config.width > 0 ? matrix(shapes, name, where)[0] / config.width : 0;
  };
  if (shapes.contains("embedding.token.weight")) {
    const std::vector<int64_t>& table = matrix(shapes, "embedding.token.weight", where);
    const bool positions = shapes.contains("embedding.position.pe.weight");
    config.model_type = positions                                   ? "bert4rec"
                        : shapes.contains("model.gru.weight_hh_l0") ? "narm"
                                                                    : "lrurec";
    config.num_items = table[0] - (positions ? 2 : 1);
    config.width = table[1];
    if (config.model_type == "lrurec") config.blocks = count_blocks(shapes, kLruBlock);
    if (positions) {
      config.blocks = count_blocks(shapes, kBertBlock);
      config.max_length = matrix(shapes, "embedding.position.pe.weight", where)[0] - 1;
      config.inner = inner(fmt::format("{}0.feed_forward.w_1.weight", kBertBlock));
    }
  } else if (shapes.contains("item_embedding.weight")) {
    const std::vector<int64_t>& table = matrix(shapes, "item_embedding.weight", where);
    config.model_type = "sasrec";
    config.num_items = table[0] - 1;
    config.width = table[1];
    config.blocks = count_blocks(shapes, kSasBlock);
    config.max_length = matrix(shapes, "position_embedding.weight", where)[0];
    config.inner = inner(fmt::format("{}0.feed_forward.dense_1.weight", kSasBlock));
  } else {
    throw FormatError(
        "{}: neither 'embedding.token.weight' (LRURec, NARM, BERT4Rec) nor 'item_embedding.weight' "
        "(SASRec) is among its {} tensors",
        where, shapes.size());
  }
  try {
    config.validate(where);
  } catch (const ConfigError& error) {
    throw FormatError("{}", error.what());
  }
  return config;
}

}  // namespace tandem
