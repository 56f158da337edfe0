// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/json.h"
#include "formats/safetensors.h"
#include "formats/stored_tensor.h"

namespace tandem {

// PEFT's adapter_config.json of a LoRA adapter. Fields that only matter to other kinds of adapters
// are ignored, whatever PEFT's version; those that would change the result are refused.
struct PeftConfig {
  std::string base_model = {};            // base_model_name_or_path
  int64_t rank = 8;                       // r
  double alpha = 8;                       // lora_alpha
  double dropout = 0;                     // lora_dropout
  std::vector<std::string> targets = {};  // last parts of module names, or whole names
  std::string target_pattern = {};        // instead of targets: a regular expression, kept as text
  // Other ranks and alphas by regular expressions on module names; the first that matches counts.
  std::vector<std::pair<std::string, int64_t>> rank_pattern = {};
  std::vector<std::pair<std::string, double>> alpha_pattern = {};
  bool use_rslora = false;

  // FormatError for a pattern that cannot be matched.
  int64_t rank_of(std::string_view module) const;
  // What B A is multiplied with: alpha / rank, or alpha / sqrt(rank) with rsLoRA.
  double scale_of(std::string_view module) const;

  // Throws FormatError naming `where` and the field.
  static PeftConfig from_json(const Json& json, std::string_view where);
  Json to_json() const;  // the fields that every version of PEFT knows
};

// One adapted linear layer: W + scale B A.
struct PeftModule {
  std::string name;  // "model.layers.0.self_attn.q_proj"
  StoredTensor a;    // [rank, in]
  StoredTensor b;    // [out, rank]
  int64_t rank = 0;
  double scale = 1;
};

// A PEFT folder: adapter_config.json and adapter_model.safetensors, mapped. Throws IoError and
// FormatError, which name file and key: a pickle, another kind of adapter, a key that is no part of
// LoRA, A without B, ranks that are not the configuration's, a value that is no number.
class PeftFolder {
 public:
  explicit PeftFolder(const fs::path& path);

  const fs::path& path() const { return path_; }
  const PeftConfig& config() const { return config_; }
  const std::vector<PeftModule>& modules() const { return modules_; }  // by name
  const PeftModule* find(std::string_view name) const;                 // null when not adapted

 private:
  fs::path path_;
  PeftConfig config_;
  std::optional<SafetensorsFile> file_;
  std::vector<PeftModule> modules_;
};

// "base_model.model." + module + ".lora_A.weight" (lora_B).
std::string peft_a_key(std::string_view module);
std::string peft_b_key(std::string_view module);

// Writes both files into an existing folder. tensors: A and B of every module under PEFT's keys.
// Throws IoError, FormatError.
void write_peft_folder(const fs::path& folder, const PeftConfig& config,
                       std::span<const TensorView> tensors);

}  // namespace tandem
