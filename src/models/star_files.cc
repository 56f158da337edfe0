// SPDX-License-Identifier: Apache-2.0
#include "models/star_files.h"

#include <limits>
#include <utility>

#include "core/error.h"
#include "models/stored_config.h"

namespace tandem {

void StarConfig::validate(std::string_view where) const {
  const auto in_range = [&](std::string_view key, auto value, auto least, auto most) {
    if (!(value >= least && value <= most))
      throw ConfigError("{}: {} is {}, expected {} to {}", where, key, value, least, most);
  };
  in_range("num_items", num_items, int64_t{0}, int64_t{std::numeric_limits<int32_t>::max() - 1});
  in_range("width", width, int64_t{1}, int64_t{1} << 20);
  in_range("semantic_weight", semantic_weight, 0.0, 1.0);
  in_range("recency", recency, 0.0, 1.0);
  in_range("length", length, int64_t{1}, int64_t{1} << 20);
}

Json StarConfig::to_json() const {
  Json json = {{"model_type", kStarModelType},       {"num_items", num_items}, {"width", width},
               {"semantic_weight", semantic_weight}, {"recency", recency},     {"length", length}};
  if (!dataset_fingerprint.empty()) json["dataset_fingerprint"] = dataset_fingerprint;
  return json;
}

StarConfig StarConfig::from_json(const Json& json, std::string_view where) {
  const auto type = json_get<std::string>(json, "model_type", where);
  if (type != kStarModelType)
    throw FormatError("{}: model_type is '{}', expected '{}'", where, type, kStarModelType);
  StarConfig config{
      .num_items = json_get<int64_t>(json, "num_items", where),
      .width = json_get<int64_t>(json, "width", where),
      .semantic_weight = json_get<double>(json, "semantic_weight", where),
      .recency = json_get<double>(json, "recency", where),
      .length = json_get<int64_t>(json, "length", where),
      .dataset_fingerprint = json_get_or<std::string>(json, "dataset_fingerprint", "", where)};
  return checked_config(std::move(config), where);
}

bool is_star_folder(const fs::path& path) {
  return json_file_has(path / kStarConfigFile, "model_type", kStarModelType);
}

StarFiles open_star(const fs::path& folder) {
  const fs::path config_file = folder / kStarConfigFile;
  StarFiles files{.config = StarConfig::from_json(read_json(config_file), config_file.string()),
                  .vectors = std::make_shared<const ItemMatrix>(folder / kItemMatrixFile),
                  .cooccurrence = Cooccurrence(folder / kCooccurrenceFile)};
  const StarConfig& config = files.config;
  const ItemMatrix& vectors = *files.vectors;
  if (vectors.rows() != config.num_items + 1 || vectors.width() != config.width)
    throw FormatError("{}: {} vectors of {} numbers, {} says {} items and width {}",
                      vectors.path().string(), vectors.rows() - 1, vectors.width(), kStarConfigFile,
                      config.num_items, config.width);
  if (files.cooccurrence.num_items() != config.num_items)
    throw FormatError("{}: {} rows, {} says {} items", (folder / kCooccurrenceFile).string(),
                      files.cooccurrence.num_items(), kStarConfigFile, config.num_items);
  return files;
}

}  // namespace tandem
