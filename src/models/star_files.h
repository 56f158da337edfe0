// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/file.h"
#include "core/json.h"
#include "models/cooccurrence.h"
#include "models/item_matrix.h"

namespace tandem {

inline constexpr const char* kStarModelType = "star";  // model_type in config.json
inline constexpr const char* kStarConfigFile = "config.json";

// STAR's retriever (Lee et al., "STAR: A Simple Training-free Approach for Recommendations using
// Large Language Models", arXiv 2410.16458); engine/star/star.h has the equation. This is
// config.json of a run folder. The defaults are the paper's.
struct StarConfig {
  int64_t num_items = 0;         // N; item 0 is padding
  int64_t width = 0;             // D of the item vectors
  double semantic_weight = 0.5;  // a; 1 - a is the weight of the co-occurrence
  double recency = 0.7;          // lambda, what an item counts less than the one after it
  int64_t length = 3;            // l, the newest items of a history that count
  // Of the data set whose item numbers the model knows; empty: unknown.
  std::string dataset_fingerprint = "";

  // Throws ConfigError naming `where` and the key.
  void validate(std::string_view where) const;

  Json to_json() const;  // with "model_type": "star"
  static StarConfig from_json(const Json& json, std::string_view where);  // validated; FormatError
  bool operator==(const StarConfig&) const = default;
};

// The folder's config.json says that it is a run of STAR.
bool is_star_folder(const fs::path& path);

// A run folder of STAR: config.json, the item matrix (models/item_matrix.h) and the co-occurrences,
// both mapped.
struct StarFiles {
  StarConfig config;
  std::shared_ptr<const ItemMatrix> vectors;
  Cooccurrence cooccurrence;
};

// FormatError names the file, or the two numbers that do not fit; IoError.
StarFiles open_star(const fs::path& folder);

}  // namespace tandem
