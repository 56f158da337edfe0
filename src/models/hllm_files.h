// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/file.h"
#include "models/hllm_config.h"
#include "models/llama_source.h"

namespace tandem {

// Names in a run folder of HLLM:
//
//   config.json                    HllmConfig
//   item_llm/, user_llm/           the towers, Hugging Face folders; the tokenizer is in item_llm/.
//                                  With shared towers there is item_llm/ alone
//   extra_parameters.safetensors   item_emb_tokens [1, 1, d_item], logit_scale [],
//                                  projector.weight [D, d_item] where there is one, and
//                                  time_parameters() with a config.json of time_width, and
//                                  ranking_parameters() with one of ranking
inline constexpr const char* kHllmConfigFile = "config.json";
inline constexpr const char* kItemTowerFolder = "item_llm";
inline constexpr const char* kUserTowerFolder = "user_llm";
inline constexpr const char* kExtraParametersFile = "extra_parameters.safetensors";
inline constexpr const char* kItemTokenName = "item_emb_tokens";
inline constexpr const char* kLogScaleName = "logit_scale";
inline constexpr const char* kProjectorName = "projector.weight";

// The folder's config.json says that it is a run of HLLM.
bool is_hllm_folder(const fs::path& path);

// An HLLM on the disk: towers mapped, the few other parameters read. Everything's shape is checked.
struct HllmFiles {
  fs::path folder = {};
  HllmConfig config = {};
  // Neither has a head; the User LLM has no word table (LlamaConfig::has_head, has_embedding). The
  // same object when the towers are shared.
  std::shared_ptr<const LlamaSource> item_tower = {}, user_tower = {};
  std::vector<float> item_token = {};  // [d_item], the embedding of [ITEM]; empty with mean pooling
  std::vector<float> projector = {};   // [D, d_item] row-major; empty: there is none
  std::vector<std::vector<float>> time = {};     // in the order of time_parameters(); empty: none
  std::vector<std::vector<float>> ranking = {};  // in the order of ranking_parameters()
  float log_scale = 0;  // ln of the scale that the cosines were trained with

  // Tells two models' item vectors apart, not what they are made of: SHA-256 of the Item LLM's
  // fingerprint, [ITEM], the projector, and pooling.
  std::string item_fingerprint() const;
};

// A run folder. FormatError names file and tensor, or the two widths that do not fit; IoError.
HllmFiles open_hllm(const fs::path& folder);
// The same parts in a folder without a config.json of its own. config.width is checked.
HllmFiles open_hllm(const fs::path& folder, const HllmConfig& config);

}  // namespace tandem
