// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/file.h"
#include "formats/safetensors.h"
#include "models/retriever_config.h"

namespace tandem {

// File names in a run folder.
inline constexpr const char* kRetrieverConfigFile = "config.json";
inline constexpr const char* kRetrieverWeightsFile = "model.safetensors";

// A retriever's configuration and parameters, each checked against the shape that the configuration
// demands. `path` is one of
//   a run folder (config.json, model.safetensors)
//   a .safetensors file or an authors' checkpoint (.pth, .pt, .bin), whose sizes follow from the
//   shapes. A config.json beside it is used where there is one; else `fallback` tells what the
//   shapes do not.
// Throws FormatError or IoError naming file and tensor.
class RetrieverWeights {
 public:
  static RetrieverWeights open(const fs::path& path, const RetrieverModelConfig& fallback = {});

  const RetrieverModelConfig& config() const { return config_; }
  // The values of a parameter, row-major; valid while this object lives.
  std::span<const float> values(const std::string& name) const;
  const fs::path& path() const { return path_; }
  // The folder of the config.json that describes the model; empty when the shapes alone do.
  const fs::path& run_folder() const { return run_folder_; }

  // The same model in other item numbers: items[i - 1] is this model's number of the new item i,
  // or 0 where it has none; then the item's rows are zeros and known() is false. Items that are not
  // named are left out. ShapeError for a number that the model does not have.
  RetrieverWeights renumbered(std::span<const int32_t> items) const;
  // [num_items + 1], 0 for an item that the model does not know; empty: it knows all.
  std::span<const uint8_t> known() const { return known_; }

 private:
  RetrieverWeights() = default;
  void check() const;

  RetrieverModelConfig config_;
  fs::path path_, run_folder_;
  std::shared_ptr<const void> storage_;  // what the views look into
  std::map<std::string, TensorView> tensors_;
  std::vector<uint8_t> known_;
};

}  // namespace tandem
