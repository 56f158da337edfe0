// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "core/json.h"
#include "core/rng.h"
#include "formats/safetensors.h"
#include "models/hllm_files.h"
#include "models/time_embedding.h"
#include "support/llama_reference.h"
#include "support/random_values.h"

namespace tandem::test {

inline Json small_tower(int64_t width, int64_t vocabulary) {
  return {{"model_type", "llama"},    {"vocab_size", vocabulary},       {"hidden_size", width},
          {"intermediate_size", 40},  {"num_hidden_layers", 2},         {"num_attention_heads", 4},
          {"num_key_value_heads", 2}, {"max_position_embeddings", 256}, {"rms_norm_eps", 1e-5}};
}

// Writes a run folder of HLLM with random weights (no tokenizer, no items) and returns its towers:
// the Item LLM of width item_width, the User LLM of config.width; with shared towers the first is
// both.
struct RandomHllm {
  LlamaReference item, user;
};
inline RandomHllm write_random_hllm(const fs::path& folder, const HllmConfig& config,
                                    int64_t item_width, int64_t vocabulary, uint64_t seed) {
  RandomHllm towers{LlamaReference::random(small_tower(item_width, vocabulary), seed),
                    LlamaReference::random(small_tower(config.width, 5), seed + 1)};
  towers.item.write(folder / kItemTowerFolder);
  if (config.shared_towers) {
    towers.user = towers.item;
  } else {
    // As training writes it: without what is never used.
    LlamaReference written = towers.user;
    written.weights.erase("lm_head.weight");
    written.weights.erase("model.embed_tokens.weight");
    written.write(folder / kUserTowerFolder);
  }
  const std::vector<float> token = random_values(item_width, seed + 2, 0.5), scale = {2.66f},
                           projector = random_values(config.width * item_width, seed + 3,
                                                     1 / std::sqrt(double(item_width)));
  std::vector<TensorView> extra = {
      {kItemTokenName, DType::kF32, {1, 1, item_width}, std::as_bytes(std::span(token))},
      {kLogScaleName, DType::kF32, {}, std::as_bytes(std::span(scale))}};
  if (config.has_projector)
    extra.push_back({kProjectorName,
                     DType::kF32,
                     {config.width, item_width},
                     std::as_bytes(std::span(projector))});
  std::vector<std::vector<float>> more;
  std::vector<TensorSpec> specs = ranking_parameters(config.ranking, config.width);
  if (config.time_width > 0)
    for (TensorSpec& spec : time_parameters(config.time_width, config.width))
      specs.push_back(std::move(spec));
  for (const TensorSpec& spec : specs) {
    int64_t numbers = 1;
    for (const int64_t length : spec.shape) numbers *= length;
    more.push_back(random_values(numbers, seed + 4 + more.size(), 0.5));
  }
  for (size_t i = 0; i < specs.size(); ++i)
    extra.push_back(
        {specs[i].name, DType::kF32, specs[i].shape, std::as_bytes(std::span(more[i]))});
  write_safetensors(folder / kExtraParametersFile, extra);
  write_json(folder / kHllmConfigFile, config.to_json());
  return towers;
}

// Texts of 0 to `longest` tokens, each with the placeholder behind it.
inline std::vector<std::vector<int32_t>> random_texts(int64_t count, int64_t longest,
                                                      int64_t vocabulary, uint64_t seed) {
  Rng rng(seed);
  std::vector<std::vector<int32_t>> texts(static_cast<size_t>(count));
  for (std::vector<int32_t>& text : texts) {
    const auto length = rng.below(static_cast<uint64_t>(longest) + 1);
    for (uint64_t i = 0; i < length; ++i)
      text.push_back(static_cast<int32_t>(rng.below(static_cast<uint64_t>(vocabulary))));
    text.push_back(0);
  }
  return texts;
}

}  // namespace tandem::test
