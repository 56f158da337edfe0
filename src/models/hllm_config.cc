// SPDX-License-Identifier: Apache-2.0
#include "models/hllm_config.h"

#include <limits>
#include <set>
#include <utility>

#include "core/error.h"
#include "models/stored_config.h"

namespace tandem {

HllmPooling parse_hllm_pooling(std::string_view name) {
  if (name == "token") return HllmPooling::kToken;
  if (name == "mean") return HllmPooling::kMean;
  throw ConfigError("pooling is '{}', expected token or mean", name);
}

std::string_view hllm_pooling_name(HllmPooling pooling) {
  return pooling == HllmPooling::kToken ? "token" : "mean";
}

void HllmConfig::validate(std::string_view where) const {
  const auto in_range = [&](std::string_view key, int64_t value, int64_t least, int64_t most) {
    if (value < least || value > most)
      throw ConfigError("{}: {} is {}, expected {} to {}", where, key, value, least, most);
  };
  in_range("num_items", num_items, 0, std::numeric_limits<int32_t>::max() - 1);
  in_range("width", width, 1, 1 << 20);
  in_range("max_length", max_length, 1, 1 << 20);
  in_range("max_text_length", max_text_length, 1, 1 << 20);
  in_range("time_width", time_width, 0, 1 << 14);
  std::set<std::string_view> seen;
  for (const std::string& key : item_keys) {
    if (key.empty()) throw ConfigError("{}: item_keys has an empty name", where);
    if (!seen.insert(key).second) throw ConfigError("{}: item_keys has '{}' twice", where, key);
  }
}

Json HllmConfig::to_json() const {
  Json json = {{"model_type", kHllmModelType},
               {"num_items", num_items},
               {"width", width},
               {"max_length", max_length},
               {"max_text_length", max_text_length},
               {"item_prompt", item_prompt},
               {"item_keys", item_keys},
               {"pooling", hllm_pooling_name(pooling)},
               {"shared_towers", shared_towers},
               {"has_projector", has_projector},
               {"pandas_text", pandas_text}};
  if (ranking != HllmRanking::kNone) json["ranking"] = hllm_ranking_name(ranking);
  if (time_width > 0) json["time_width"] = time_width;
  if (!dataset_fingerprint.empty()) json["dataset_fingerprint"] = dataset_fingerprint;
  return json;
}

HllmConfig HllmConfig::from_json(const Json& json, std::string_view where) {
  const HllmConfig defaults;
  const auto type = json_get<std::string>(json, "model_type", where);
  if (type != kHllmModelType)
    throw FormatError("{}: model_type is '{}', expected '{}'", where, type, kHllmModelType);
  HllmConfig config{
      .num_items = json_get<int64_t>(json, "num_items", where),
      .width = json_get<int64_t>(json, "width", where),
      .max_length = json_get<int64_t>(json, "max_length", where),
      .max_text_length =
          json_get_or<int64_t>(json, "max_text_length", defaults.max_text_length, where),
      .item_prompt = json_get_or<std::string>(json, "item_prompt", "", where),
      .item_keys =
          json_get_or<std::vector<std::string>>(json, "item_keys", defaults.item_keys, where),
      .shared_towers = json_get_or<bool>(json, "shared_towers", false, where),
      .has_projector = json_get_or<bool>(json, "has_projector", false, where),
      .time_width = json_get_or<int64_t>(json, "time_width", 0, where),
      .pandas_text = json_get_or<bool>(json, "pandas_text", false, where),
      .dataset_fingerprint = json_get_or<std::string>(json, "dataset_fingerprint", "", where)};
  try {
    config.pooling = parse_hllm_pooling(json_get_or<std::string>(json, "pooling", "token", where));
    config.ranking = parse_hllm_ranking(json_get_or<std::string>(json, "ranking", "none", where));
  } catch (const ConfigError& error) {
    throw FormatError("{}: {}", where, error.what());
  }
  return checked_config(std::move(config), where);
}

}  // namespace tandem
