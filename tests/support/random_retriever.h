// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/rng.h"
#include "formats/safetensors.h"
#include "models/retriever_weights.h"
#include "support/temporary_folder.h"

namespace tandem::test {

// 50 items, width 12, two blocks: small enough for plain loops.
inline RetrieverModelConfig small_retriever(const std::string& model_type) {
  return {.model_type = model_type,
          .num_items = 50,
          .width = 12,
          .blocks = 2,
          .heads = 3,
          .inner = 2,
          .max_length = 10};
}

// Writes a run folder with random weights, large enough that every term shows.
inline void write_random_run(const fs::path& folder, const RetrieverModelConfig& config,
                             uint64_t seed) {
  Rng rng(seed);
  std::vector<std::vector<float>> storage;
  std::vector<TensorView> tensors;
  for (const TensorSpec& spec : retriever_parameters(config)) {
    std::vector<float> values(spec.count());
    const bool norm = spec.name.find("orm.weight") != std::string::npos;
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>((norm ? 1.0 : 0.0) + (norm ? 0.2 : 0.15) * rng.normal());
    if (spec.name.ends_with("params_log")) {  // |lambda| about 0.9, any angle, gamma about 0.4
      for (size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<float>(i * 3 < values.size()       ? -2.3 + 0.3 * rng.normal()
                                       : i * 3 < 2 * values.size() ? 1.8 * rng.uniform()
                                                                   : -0.9);
    }
    storage.push_back(std::move(values));
    tensors.push_back({spec.name, DType::kF32, spec.shape,
                       std::as_bytes(std::span<const float>(storage.back()))});
  }
  fs::create_directories(folder);
  write_json(folder / kRetrieverConfigFile, config.to_json());
  write_safetensors(folder / kRetrieverWeightsFile, tensors);
}

inline RetrieverWeights random_weights(const RetrieverModelConfig& config, uint64_t seed) {
  const TemporaryFolder folder;
  write_random_run(folder.path(), config, seed);
  return RetrieverWeights::open(folder.path());  // the mapping outlives the file's name
}

inline std::vector<int32_t> random_history(int64_t length, int64_t num_items, Rng& rng) {
  std::vector<int32_t> items(length);
  for (int32_t& item : items)
    item = static_cast<int32_t>(1 + rng.below(static_cast<uint64_t>(num_items)));
  return items;
}

}  // namespace tandem::test
