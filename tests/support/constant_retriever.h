// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/retriever.h"
#include "support/random_retriever.h"

namespace tandem::test {

// The weights of an LRURec that gives every user the same scores: all parameters are zeros but the
// items' biases, which are `scores`, of items 1, 2, ...
inline void write_constant_run(const fs::path& folder, const std::vector<float>& scores,
                               int64_t max_length, const std::string& fingerprint = "") {
  const RetrieverModelConfig config{.num_items = std::ssize(scores),
                                    .width = 2,
                                    .blocks = 1,
                                    .max_length = max_length,
                                    .dataset_fingerprint = fingerprint};
  std::vector<std::vector<float>> storage;
  std::vector<TensorView> tensors;
  for (const TensorSpec& spec : retriever_parameters(config)) {
    int64_t count = 1;
    for (const int64_t size : spec.shape) count *= size;
    storage.emplace_back(static_cast<size_t>(count), 0.0f);
    if (spec.name == "model.bias") std::ranges::copy(scores, storage.back().begin() + 1);
    tensors.push_back({spec.name, DType::kF32, spec.shape,
                       std::as_bytes(std::span<const float>(storage.back()))});
  }
  fs::create_directories(folder);
  write_json(folder / kRetrieverConfigFile, config.to_json());
  write_safetensors(folder / kRetrieverWeightsFile, tensors);
}

inline std::unique_ptr<engine::Retriever> constant_retriever(const std::vector<float>& scores,
                                                             int64_t max_length) {
  const TemporaryFolder folder;
  write_constant_run(folder.path(), scores, max_length);
  return engine::load_retriever(folder.path());
}

}  // namespace tandem::test
