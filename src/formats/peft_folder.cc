// SPDX-License-Identifier: Apache-2.0
#include "formats/peft_folder.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "formats/hf_folder.h"

namespace tandem {
namespace {

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kWeightsFile = "adapter_model.safetensors";
constexpr std::string_view kPrefix = "base_model.model.";
constexpr int64_t kLargestRank = int64_t{1} << 16;
constexpr size_t kLongestPattern = 256, kLongestName = 512;

bool is_null(const Json& json, std::string_view key) {
  const auto found = json.find(key);
  return found == json.end() || found->is_null();
}

// Fields that would change what the adapter computes.
void refuse_other_adapters(const Json& json, std::string_view where) {
  const auto refuse = [&](std::string_view key, std::string_view why) {
    throw FormatError("{}: key '{}' is {}; {}", where, key, json.at(std::string(key)).dump(), why);
  };
  const auto type = json_get_or<std::string>(json, "peft_type", "LORA", where);
  if (type != "LORA") refuse("peft_type", "only LORA is read");
  for (const char* key : {"use_dora", "lora_bias", "fan_in_fan_out", "use_qalora", "use_bdlora"}) {
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
  const auto init = json.find("init_lora_weights");
  if (init != json.end() && init->is_string()) {
    // These also change the base's weights, which the folder does not hold.
    for (const char* name : {"pissa", "olora", "corda", "lora_ga"})
      if (init->get<std::string>().starts_with(name))
        refuse("init_lora_weights", "it changes the base; convert the adapter to plain LoRA first");
  }
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
    peft_pattern_matches(pattern, "");  // refuses what cannot be matched
    result.emplace_back(pattern, read(value, key, where));
  }
  return result;
}

// One character of a pattern and how often it may occur.
struct Atom {
  std::optional<char> literal;  // nothing: any character
  bool optional = false, repeated = false;
};

std::vector<Atom> parse_pattern(std::string_view pattern) {
  const auto refuse = [&] {
    throw FormatError("pattern '{}': only names, '.', '\\.', and '*', '+' or '?' are understood",
                      pattern.substr(0, kLongestPattern));
  };
  if (pattern.size() > kLongestPattern) refuse();
  std::vector<Atom> atoms;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '*' || c == '+' || c == '?') {
      if (atoms.empty() || atoms.back().optional || atoms.back().repeated) refuse();
      atoms.back().optional = c != '+';
      atoms.back().repeated = c != '?';
    } else if (c == '\\') {
      if (++i == pattern.size() || std::isalnum(static_cast<unsigned char>(pattern[i]))) refuse();
      atoms.push_back({pattern[i]});
    } else if (std::string_view("()[]{}|^$").find(c) != std::string_view::npos) {
      refuse();
    } else {
      atoms.push_back(c == '.' ? Atom{} : Atom{c});
    }
  }
  return atoms;
}

// The whole of text: which places of the pattern its prefixes reach.
bool matches(const std::vector<Atom>& atoms, std::string_view text) {
  std::vector<char> reached(atoms.size() + 1, 0), next(atoms.size() + 1);
  const auto pass_optional = [&](std::vector<char>& places) {
    for (size_t i = 0; i < atoms.size(); ++i)
      if (places[i] && atoms[i].optional) places[i + 1] = 1;
  };
  reached[0] = 1;
  pass_optional(reached);
  for (const char c : text) {
    std::fill(next.begin(), next.end(), 0);
    for (size_t i = 0; i < atoms.size(); ++i) {
      if (!reached[i] || (atoms[i].literal && *atoms[i].literal != c)) continue;
      next[i + 1] = 1;
      if (atoms[i].repeated) next[i] = 1;
    }
    pass_optional(next);
    reached.swap(next);
  }
  return reached.back() != 0;
}

}  // namespace

bool peft_pattern_matches(std::string_view pattern, std::string_view module) {
  const bool from_start = pattern.starts_with('^');
  if (from_start) pattern.remove_prefix(1);
  const bool to_end = pattern.ends_with('$') && !pattern.ends_with("\\$");
  if (to_end) pattern.remove_suffix(1);
  std::vector<Atom> atoms = parse_pattern(pattern);
  if (from_start) {  // Python's re.match: what follows is free unless the pattern says $
    if (!to_end) atoms.push_back({{}, true, true});
    return matches(atoms, module);
  }
  if (matches(atoms, module)) return true;
  for (size_t dot = module.find('.'); dot != std::string_view::npos;
       dot = module.find('.', dot + 1))
    if (matches(atoms, module.substr(dot + 1))) return true;
  return false;
}

int64_t PeftConfig::rank_of(std::string_view module) const {
  for (const auto& [pattern, value] : rank_pattern)
    if (peft_pattern_matches(pattern, module)) return value;
  return rank;
}

double PeftConfig::scale_of(std::string_view module) const {
  double used = alpha;
  const auto found =
      std::find_if(alpha_pattern.begin(), alpha_pattern.end(),
                   [&](const auto& entry) { return peft_pattern_matches(entry.first, module); });
  if (found != alpha_pattern.end()) used = found->second;
  const auto r = static_cast<double>(rank_of(module));
  return used / (use_rslora ? std::sqrt(r) : r);
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
    (is_a ? module.a : module.b) = StoredTensor(view);
  }
  if (modules.empty()) throw FormatError("{}: the adapter has no tensors", where);
  for (auto& [name, module] : modules) {
    if (module.a.shape().empty() || module.b.shape().empty())
      throw FormatError("{}: module '{}' has only one of lora_A and lora_B", where, name);
    module.rank = config_.rank_of(name);
    module.scale = config_.scale_of(name);
    if (module.a.shape()[0] != module.rank || module.b.shape()[1] != module.rank)
      throw FormatError("{}: module '{}' has A {} and B {}, expected rank {}", where, name,
                        format_shape(module.a.shape()), format_shape(module.b.shape()),
                        module.rank);
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
