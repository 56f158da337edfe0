// SPDX-License-Identifier: Apache-2.0
#include "formats/peft_folder.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "formats/hf_folder.h"
#include "formats/peft_pattern.h"

namespace tandem {
namespace {

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kWeightsFile = "adapter_model.safetensors";
constexpr std::string_view kPrefix = "base_model.model.";
constexpr int64_t kLargestRank = int64_t{1} << 16;
constexpr size_t kLongestName = 512;

bool is_null(const Json& json, std::string_view key) {
  const auto found = json.find(key);
  return found == json.end() || found->is_null();
}

// Some ways to begin training also change the base's weights, which an adapter's folder does not
// hold: added to the base as it was, the adapter means nothing. Those that leave it alone are known
// by name; of any other it is not known.
void refuse_changed_base(const Json& json, std::string_view where) {
  if (is_null(json, "init_lora_weights")) return;
  const Json& init = json.at("init_lora_weights");
  if (init.is_boolean()) return;
  const auto refuse = [&](std::string_view why) {
    throw FormatError("{}: key 'init_lora_weights' is {}; {}", where, init.dump().substr(0, 80),
                      why);
  };
  if (!init.is_string()) refuse("expected true, false or a name");
  std::string name = init.get<std::string>();
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const char* known : {"gaussian", "eva", "orthogonal", "mica"})
    if (name == known) return;
  for (const char* known : {"pissa", "olora", "corda", "lora_ga", "loftq"})
    if (name.starts_with(known))
      refuse(
          "it changes the base's weights, and the adapter does not fit the base as it was; save it "
          "as plain LoRA (PEFT: save_pretrained with path_initial_model_for_weight_conversion), or "
          "save the changed base beside it and set this key to true");
  refuse(
      "it is not known whether this changes the base; expected true, gaussian, eva, orthogonal "
      "or mica");
}

// Fields that would change what the adapter computes.
void refuse_other_adapters(const Json& json, std::string_view where) {
  const auto refuse = [&](std::string_view key, std::string_view why) {
    throw FormatError("{}: key '{}' is {}; {}", where, key, json.at(std::string(key)).dump(), why);
  };
  const auto type = json_get_or<std::string>(json, "peft_type", "LORA", where);
  if (type != "LORA") refuse("peft_type", "only LORA is read");
  for (const char* key : {"use_dora", "lora_bias", "fan_in_fan_out", "use_qalora", "use_bdlora",
                          "kasa_config", "monteclora_config", "arrow_config"}) {
    if (is_null(json, key) || json.at(key) == false) continue;
    refuse(key, "only plain LoRA on linear layers without bias is read");
  }
  for (const char* key : {"modules_to_save", "trainable_token_indices", "target_parameters",
                          "layer_replication", "alora_invocation_tokens"}) {
    if (is_null(json, key) || json.at(key).empty()) continue;
    refuse(key, "only low-rank additions to linear layers are read");
  }
  if (json_get_or<std::string>(json, "bias", "none", where) != "none")
    refuse("bias", "trained biases are not read");
  refuse_changed_base(json, where);
}

int64_t read_rank(const Json& value, std::string_view key, std::string_view where) {
  if (!value.is_number_integer() || value < 1 || value > kLargestRank)
    throw FormatError("{}: {} is {}, expected a rank from 1 to {}", where, key,
                      value.dump().substr(0, 40), kLargestRank);
  return value.get<int64_t>();
}

double read_alpha(const Json& value, std::string_view key, std::string_view where) {
  if (!value.is_number() || !std::isfinite(value.get<double>()))
    throw FormatError("{}: {} is {}, expected a number", where, key, value.dump().substr(0, 40));
  return value.get<double>();
}

template <typename T, typename Read>
std::vector<std::pair<std::string, T>> read_pattern(const Json& json, std::string_view key,
                                                    std::string_view where, const Read& read) {
  std::vector<std::pair<std::string, T>> result;
  if (is_null(json, key)) return result;
  const Json& map = json.at(std::string(key));
  if (!map.is_object()) throw FormatError("{}: {} is not an object", where, key);
  for (const auto& [pattern, value] : map.items()) {
    check_peft_pattern(pattern, fmt::format("{}: {}", where, key));
    result.emplace_back(pattern, read(value, fmt::format("{}['{}']", key, pattern), where));
  }
  return result;
}

// Values that are no numbers would make every weight that they are added to none.
void check_finite(const StoredTensor& tensor, const std::string& where) {
  constexpr int64_t kAtOnce = int64_t{1} << 16;
  const int64_t step = std::max<int64_t>(1, kAtOnce / std::max<int64_t>(1, tensor.columns()));
  std::vector<float> values;
  for (int64_t row = 0; row < tensor.rows(); row += step) {
    const int64_t count = std::min(step, tensor.rows() - row);
    values.resize(count * tensor.columns());
    tensor.read_rows(row, count, values.data());
    const auto bad = std::ranges::find_if(values, [](float v) { return !std::isfinite(v); });
    if (bad != values.end())
      throw FormatError("{}: tensor '{}' holds {} in row {}, expected finite numbers", where,
                        tensor.name(), *bad, row + (bad - values.begin()) / tensor.columns());
  }
}

// The value of the first pattern that matches, else of the one that is the name itself.
template <typename T>
T value_for(const std::vector<std::pair<std::string, T>>& patterns, std::string_view module,
            std::string_view where, T fallback) {
  for (const auto& [pattern, value] : patterns)
    if (peft_pattern_matches(pattern, module, where)) return value;
  for (const auto& [pattern, value] : patterns)
    if (pattern == module) return value;
  return fallback;
}

}  // namespace

int64_t PeftConfig::rank_of(std::string_view module) const {
  return value_for(rank_pattern, module, "rank_pattern", rank);
}

double PeftConfig::scale_of(std::string_view module) const {
  const auto r = static_cast<double>(rank_of(module));
  return value_for(alpha_pattern, module, "alpha_pattern", alpha) / (use_rslora ? std::sqrt(r) : r);
}

PeftConfig PeftConfig::from_json(const Json& json, std::string_view where) {
  if (!json.is_object()) throw FormatError("{}: expected an object", where);
  refuse_other_adapters(json, where);
  PeftConfig config;
  config.base_model = json_get_or<std::string>(json, "base_model_name_or_path", "", where);
  config.rank = read_rank(json_get_or<Json>(json, "r", 8, where), "r", where);
  config.alpha = read_alpha(json_get_or<Json>(json, "lora_alpha", 8, where), "lora_alpha", where);
  config.dropout = json_get_or<double>(json, "lora_dropout", 0, where);
  config.use_rslora = json_get_or<bool>(json, "use_rslora", false, where);
  config.rank_pattern = read_pattern<int64_t>(json, "rank_pattern", where, read_rank);
  config.alpha_pattern = read_pattern<double>(json, "alpha_pattern", where, read_alpha);
  const auto targets = json.find("target_modules");
  if (targets == json.end() || targets->is_null()) return config;
  if (targets->is_string()) {
    config.target_pattern = targets->get<std::string>();
  } else if (targets->is_array()) {
    for (const Json& target : *targets) {
      if (!target.is_string())
        throw FormatError("{}: target_modules holds {}, expected names", where,
                          target.dump().substr(0, 40));
      config.targets.push_back(target.get<std::string>());
    }
  } else {
    throw FormatError("{}: target_modules is {}, expected a list of names or a pattern", where,
                      targets->dump().substr(0, 40));
  }
  return config;
}

Json PeftConfig::to_json() const {
  Json ranks = Json::object(), alphas = Json::object();
  for (const auto& [pattern, value] : rank_pattern) ranks[pattern] = value;
  for (const auto& [pattern, value] : alpha_pattern) alphas[pattern] = value;
  const auto number = [](double value) {  // PEFT's own files hold whole alphas as integers
    return value == std::floor(value) && std::abs(value) < 1e15 ? Json(static_cast<int64_t>(value))
                                                                : Json(value);
  };
  for (auto& [pattern, value] : alphas.items()) value = number(value.get<double>());
  Json json = {{"alpha_pattern", alphas},
               {"auto_mapping", nullptr},
               {"base_model_name_or_path", base_model.empty() ? Json(nullptr) : Json(base_model)},
               {"bias", "none"},
               {"fan_in_fan_out", false},
               {"inference_mode", true},
               {"init_lora_weights", true},
               {"layers_pattern", nullptr},
               {"layers_to_transform", nullptr},
               {"lora_alpha", number(alpha)},
               {"lora_dropout", dropout},
               {"modules_to_save", nullptr},
               {"peft_type", "LORA"},
               {"r", rank},
               {"rank_pattern", ranks},
               {"revision", nullptr},
               {"target_modules", target_pattern.empty() ? Json(targets) : Json(target_pattern)},
               {"task_type", "CAUSAL_LM"}};
  if (use_rslora) json["use_rslora"] = true;
  return json;
}

std::string peft_a_key(std::string_view module) {
  return fmt::format("{}{}.lora_A.weight", kPrefix, module);
}

std::string peft_b_key(std::string_view module) {
  return fmt::format("{}{}.lora_B.weight", kPrefix, module);
}

PeftFolder::PeftFolder(const fs::path& path) : path_(path) {
  if (!fs::is_directory(path)) throw IoError("{}: no such adapter folder", path.string());
  const fs::path config_path = path / kConfigFile, weights_path = path / kWeightsFile;
  config_ = PeftConfig::from_json(read_json(config_path), config_path.string());
  if (!fs::exists(weights_path) && fs::exists(path / "adapter_model.bin"))
    throw FormatError("{}: the adapter is a pickle (adapter_model.bin), expected {}", path.string(),
                      kWeightsFile);
  file_.emplace(weights_path);
  const std::string where = weights_path.string();

  std::map<std::string, PeftModule> modules;
  for (const auto& [key, view] : file_->tensors()) {
    std::string_view name = key;
    const bool is_a = name.ends_with(".lora_A.weight"), is_b = name.ends_with(".lora_B.weight");
    if (!name.starts_with(kPrefix) || (!is_a && !is_b) || name.size() > kLongestName)
      throw FormatError("{}: tensor '{}' is no part of a LoRA adapter on linear layers", where,
                        name.substr(0, kLongestName));
    if (view.shape.size() != 2)
      throw FormatError("{}: tensor '{}' has {} axes, expected 2", where, key, view.shape.size());
    name.remove_prefix(kPrefix.size());
    name.remove_suffix(std::string_view(".lora_A.weight").size());
    PeftModule& module = modules[std::string(name)];
    module.name = name;
    if (view.dtype != DType::kF32 && view.dtype != DType::kF16 && view.dtype != DType::kBf16)
      throw FormatError("{}: tensor '{}' is {}, expected F32, F16 or BF16", where, key,
                        dtype_name(view.dtype));
    (is_a ? module.a : module.b) = StoredTensor(view);
    check_finite(is_a ? module.a : module.b, where);
  }
  if (modules.empty()) throw FormatError("{}: the adapter has no tensors", where);
  for (auto& [name, module] : modules) {
    if (module.a.shape().empty() || module.b.shape().empty())
      throw FormatError("{}: module '{}' has only one of lora_A and lora_B", where, name);
    module.rank = config_.rank_of(name);
    module.scale = config_.scale_of(name);
    if (module.a.shape()[0] != module.rank || module.b.shape()[1] != module.rank)
      throw FormatError("{}: module '{}' has A {} and B {}, expected rank {} by {}", where, name,
                        format_shape(module.a.shape()), format_shape(module.b.shape()), module.rank,
                        config_path.string());
    modules_.push_back(std::move(module));
  }
}

const PeftModule* PeftFolder::find(std::string_view name) const {
  const auto found = std::lower_bound(
      modules_.begin(), modules_.end(), name,
      [](const PeftModule& module, std::string_view wanted) { return module.name < wanted; });
  return found != modules_.end() && found->name == name ? &*found : nullptr;
}

void write_peft_folder(const fs::path& folder, const PeftConfig& config,
                       std::span<const TensorView> tensors) {
  write_safetensors(folder / kWeightsFile, tensors, Json{{"format", "pt"}});
  write_json(folder / kConfigFile, config.to_json());
}

}  // namespace tandem
