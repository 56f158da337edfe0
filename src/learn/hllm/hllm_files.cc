// SPDX-License-Identifier: Apache-2.0
#include "learn/hllm/hllm_files.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <cstring>
#include <map>
#include <string>

#include "core/check.h"
#include "core/json.h"
#include "formats/hf_folder.h"
#include "formats/peft_folder.h"
#include "learn/checkpoint/checkpoint.h"
#include "tokenizer/files.h"

namespace tandem::learn {
namespace {

using Values = std::map<std::string, at::Tensor>;

// A tower's tensor as it is now: trained, with its adapter, or as it was.
at::Tensor present_value(const TowerOrigin& origin, const Values& trained, const std::string& tower,
                         const LoraConfig& lora, const TensorSpec& spec) {
  if (const auto found = trained.find(tower + "." + spec.name); found != trained.end())
    return found->second;
  at::Tensor base = origin.weights->copy(spec);
  if (!spec.name.ends_with(".weight")) return base;
  const std::string module = spec.name.substr(0, spec.name.size() - std::strlen(".weight"));
  const auto a = trained.find(tower + "." + peft_a_key(module));
  if (a == trained.end()) return base;
  return merged_weight(base,
                       {a->second, trained.at(tower + "." + peft_b_key(module)), lora.scale()});
}

void write_tower(const fs::path& run, const std::string& tower, const TowerOrigin& origin,
                 const LoraConfig& lora, const Values& trained) {
  constexpr int64_t kShardBytes = int64_t{2} << 30;
  const LlamaConfig& config = origin.weights->config();
  const fs::path folder = run / tower;
  fs::create_directories(folder);
  const std::vector<TensorSpec> specs = llama_tensors(config);
  write_hf_weights(folder, specs, DType::kF32, kShardBytes,
                   [&](const TensorSpec& spec, std::span<std::byte> bytes) {
                     const at::Tensor value =
                         present_value(origin, trained, tower, lora, spec).contiguous();
                     TANDEM_CHECK(value.nbytes() == bytes.size());
                     std::memcpy(bytes.data(), value.const_data_ptr(), bytes.size());
                   });
  write_json(folder / "config.json", config.to_json("float32"));
  if (!origin.tokenizer.empty()) copy_tokenizer(origin.tokenizer, folder);
}

}  // namespace

HllmExtras read_hllm_extras(const HllmFiles& files) {
  const int64_t item_width = files.item_tower->config().hidden_size;
  HllmExtras extras{.item_token = files.item_token.empty()
                                      ? at::Tensor()
                                      : at::tensor(files.item_token).view({1, 1, item_width}),
                    .logit_scale = at::full({}, files.log_scale, at::kFloat)};
  if (!files.projector.empty())
    extras.projector = at::tensor(files.projector).view({-1, item_width});
  if (!files.time.empty())
    extras.time.emplace(files.config.time_width, files.config.width, files.time);
  if (!files.ranking.empty())
    extras.head.emplace(files.config.ranking, files.config.width, files.ranking);
  return extras;
}

void write_hllm(const fs::path& folder, const HllmConfig& config, const HllmExtras& extras,
                const LoraConfig& lora, const TowerOrigin& item, const TowerOrigin* user,
                std::span<const NamedParameter> parameters) {
  at::NoGradGuard no_grad;
  Values trained;
  for (const NamedParameter& parameter : parameters)
    trained[parameter.name] = parameter.value.detach().cpu().contiguous();
  write_tower(folder, kItemTowerFolder, item, lora, trained);
  if (user != nullptr) write_tower(folder, kUserTowerFolder, *user, lora, trained);
  std::vector<NamedParameter> beside;
  const auto add = [&](const std::string& name, const at::Tensor& value) {
    if (!value.defined()) return;
    const auto found = trained.find(name);
    beside.push_back({name, found != trained.end() ? found->second : value.detach().cpu()});
  };
  add(kItemTokenName, extras.item_token);
  add(kLogScaleName, extras.logit_scale);
  add(kProjectorName, extras.projector);
  for (const auto& [name, value] : extras.more()) add(name, value);
  save_tensors(folder / kExtraParametersFile, beside);
  write_json(folder / kHllmConfigFile, config.to_json());
}

}  // namespace tandem::learn
