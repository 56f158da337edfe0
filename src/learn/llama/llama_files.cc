// SPDX-License-Identifier: Apache-2.0
#include "learn/llama/llama_files.h"

#include <cstring>
#include <map>

#include "core/check.h"
#include "formats/hf_folder.h"
#include "formats/peft_folder.h"
#include "tokenizer/files.h"

namespace tandem::learn {

void write_adapter(const fs::path& folder, const LlamaSource& base, const LoraConfig& lora,
                   std::span<const NamedParameter> parameters) {
  std::vector<at::Tensor> held;  // keeps the bytes alive until they are written
  std::vector<TensorView> views;
  for (const NamedParameter& parameter : parameters) {
    held.push_back(parameter.value.detach().cpu().contiguous());
    const at::Tensor& value = held.back();
    views.push_back({.name = parameter.name,
                     .dtype = DType::kF32,
                     .shape = value.sizes().vec(),
                     .bytes = std::as_bytes(std::span(value.const_data_ptr<float>(),
                                                      static_cast<size_t>(value.numel())))});
  }
  write_peft_folder(folder,
                    {.base_model = fs::absolute(base.path()).lexically_normal().string(),
                     .rank = lora.rank,
                     .alpha = lora.alpha,
                     .dropout = lora.dropout,
                     .targets = lora.targets},
                    views);
}

void write_tuned_model(const fs::path& folder, const LlamaSource& base, const LlamaConfig& config,
                       std::span<const NamedParameter> parameters) {
  constexpr int64_t kShardBytes = int64_t{2} << 30;
  constexpr const char* kGeneration = "generation_config.json";
  std::map<std::string, at::Tensor> values;
  for (const NamedParameter& parameter : parameters)
    values[parameter.name] = parameter.value.detach().cpu().contiguous();
  const std::vector<TensorSpec> specs = llama_tensors(config);
  write_hf_weights(folder, specs, DType::kF32, kShardBytes,
                   [&](const TensorSpec& spec, std::span<std::byte> bytes) {
                     const auto found = values.find(spec.name);
                     TANDEM_CHECK(found != values.end(), "no parameter {}", spec.name);
                     TANDEM_CHECK(found->second.nbytes() == bytes.size());
                     std::memcpy(bytes.data(), found->second.const_data_ptr(), bytes.size());
                   });
  Json json = base.config_json();
  json.erase("quantization_config");
  json.erase("dtype");
  json["torch_dtype"] = "float32";
  write_json(folder / "config.json", json);
  copy_tokenizer(base.path(), folder);
  if (fs::exists(base.path() / kGeneration))
    write_file(folder / kGeneration, read_file(base.path() / kGeneration));
}

}  // namespace tandem::learn
