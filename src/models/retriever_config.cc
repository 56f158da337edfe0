// SPDX-License-Identifier: Apache-2.0
#include "models/retriever_config.h"

#include <fmt/ranges.h>

#include <limits>

#include "core/error.h"
#include "models/retriever_family.h"

namespace tandem {
namespace {

// A configuration that a file has wrong is the file's fault.
template <class Read>
RetrieverModelConfig from_file(const Read& read, std::string_view where) {
  try {
    const RetrieverModelConfig config = read();
    config.validate(where);
    return config;
  } catch (const ConfigError& error) {
    throw FormatError("{}", error.what());
  }
}

Similarity parse_similarity(std::string_view name, std::string_view where) {
  if (name == "dot") return Similarity::kDot;
  if (name == "cosine") return Similarity::kCosine;
  throw ConfigError("{}: similarity is '{}', expected dot or cosine", where, name);
}

std::string type_at(std::string_view where) { return fmt::format("{}: model_type", where); }

}  // namespace

void RetrieverModelConfig::validate(std::string_view where) const {
  const RetrieverFamily& family = retriever_family(model_type, type_at(where));
  const auto in_range = [&](std::string_view key, int64_t value, int64_t most) {
    if (value < 1 || value > most)
      throw ConfigError("{}: {} is {}, expected 1 to {}", where, key, value, most);
  };
  in_range("num_items", num_items, std::numeric_limits<int32_t>::max() - 1);
  in_range("width", width, 8192);
  in_range("max_length", max_length, 1 << 20);
  if (similarity == Similarity::kCosine && !family.cosine)
    throw ConfigError("{}: similarity is 'cosine', expected dot: {} scores by products", where,
                      family.title);
  for (const RetrieverKey& key : family.keys) {
    const int64_t value = this->*key.field;
    if (value == 0 && key.may_be_zero) continue;
    in_range(key.name, value, key.divides_width ? width : key.most);
    if (key.divides_width && width % value != 0)
      throw ConfigError("{}: width {} is not a multiple of {} {}", where, width, key.name, value);
  }
  if (family.check != nullptr) family.check(*this, where);
}

Json RetrieverModelConfig::to_json() const {
  Json json = {{"model_type", model_type}, {"num_items", num_items}, {"width", width}};
  for (const RetrieverKey& key : retriever_family(model_type).keys)
    if (!key.may_be_zero || this->*key.field != 0) json[std::string(key.name)] = this->*key.field;
  json["max_length"] = max_length;
  if (similarity == Similarity::kCosine) json["similarity"] = "cosine";
  if (!dataset_fingerprint.empty()) json["dataset_fingerprint"] = dataset_fingerprint;
  return json;
}

RetrieverModelConfig RetrieverModelConfig::from_json(const Json& json, std::string_view where) {
  return from_file(
      [&] {
        RetrieverModelConfig config;
        config.model_type = json_get<std::string>(json, "model_type", where);
        config.num_items = json_get<int64_t>(json, "num_items", where);
        config.width = json_get<int64_t>(json, "width", where);
        for (const RetrieverKey& key : retriever_family(config.model_type, type_at(where)).keys) {
          const std::string name(key.name);
          int64_t& value = config.*key.field;
          value = key.may_be_absent ? json_get_or<int64_t>(json, name, value, where)
                                    : json_get<int64_t>(json, name, where);
        }
        config.max_length = json_get<int64_t>(json, "max_length", where);
        config.similarity =
            parse_similarity(json_get_or<std::string>(json, "similarity", "dot", where), where);
        config.dataset_fingerprint =
            json_get_or<std::string>(json, "dataset_fingerprint", "", where);
        return config;
      },
      where);
}

std::vector<TensorSpec> retriever_parameters(const RetrieverModelConfig& config) {
  return retriever_family(config.model_type).parameters(config);
}

RetrieverModelConfig config_from_shapes(const TensorShapes& shapes,
                                        const RetrieverModelConfig& base, std::string_view where) {
  std::vector<std::string> expected;
  for (const RetrieverFamily& family : retriever_families()) {
    if (shapes.contains(std::string(family.own_name))) {
      return from_file(
          [&] {
            RetrieverModelConfig config = base;
            config.model_type = family.name;
            family.read_shapes(shapes, where, config);
            return config;
          },
          where);
    }
    expected.push_back(fmt::format("'{}' ({})", family.own_name, family.title));
  }
  throw FormatError("{}: is no retriever's checkpoint, none of {} is among its {} tensors", where,
                    fmt::join(expected, ", "), shapes.size());
}

}  // namespace tandem
