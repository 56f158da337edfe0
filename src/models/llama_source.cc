// SPDX-License-Identifier: Apache-2.0
#include "models/llama_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/sha256.h"
#include "formats/bnb_tensor.h"
#include "formats/gguf_file.h"
#include "models/generation_config.h"

namespace tandem {
namespace {

// What transformers writes beside the sizes when weights are quantised: only bitsandbytes' 4 bits
// are read, others would show as a riddle of missing tensors.
void check_quantization(const HfFolder& folder) {
  const std::string where = folder.config_path().string() + ": quantization_config";
  const auto found = folder.config().find("quantization_config");
  if (found == folder.config().end() || found->is_null()) return;
  const auto method = json_get_or<std::string>(*found, "quant_method", "", where);
  if (method != "bitsandbytes" || json_get_or<bool>(*found, "load_in_8bit", false, where))
    throw FormatError("{}: quant_method is '{}'{}, expected bitsandbytes with 4 bits", where,
                      method, method == "bitsandbytes" ? " with 8 bits" : "");
}

void add_to_fingerprint(Sha256& sha, std::string_view name, std::string_view type,
                        std::span<const int64_t> shape, std::span<const std::byte> bytes) {
  constexpr size_t kSample = 4096;
  sha.add(fmt::format("{} {} {}\n", name, type, format_shape(shape)));
  const size_t size = std::min(kSample, bytes.size());
  sha.add(bytes.first(size)).add(bytes.last(size));
}

class HfSource final : public LlamaSource {
 public:
  HfSource(std::shared_ptr<const HfFolder> folder, LlamaParts parts)
      : LlamaSource(folder->path(),
                    LlamaConfig::from_json(folder->config(), folder->config_path().string())),
        folder_(std::move(folder)) {
    check_quantization(*folder_);
    choose(parts);
    if (auto eos = generation_eos_tokens(folder_->path()); !eos.empty())
      mutable_config().eos_tokens = std::move(eos);
  }

  fs::path file_of(const std::string& name) const override { return folder_->file_of(name); }
  Json config_json() const override { return folder_->config(); }
  std::string fingerprint() const override {
    Sha256 sha;
    for (const auto& [name, tensor] : folder_->tensors())
      add_to_fingerprint(sha, name, dtype_name(tensor.dtype), tensor.shape, tensor.bytes);
    return sha.hex();
  }

 protected:
  StoredTensor find(const std::string& name) const override {
    if (is_bnb_4bit(*folder_, name)) return {name, read_bnb_nf4(*folder_, name)};
    return StoredTensor(folder_->floats(name));
  }

 private:
  std::shared_ptr<const HfFolder> folder_;
};

class GgufSource final : public LlamaSource {
 public:
  GgufSource(std::shared_ptr<const GgufFile> file, LlamaParts parts)
      : LlamaSource(file->path(), gguf_llama_config(*file)),
        is_interleaved_(file->metadata().text("general.architecture") == "llama"),
        file_(std::move(file)) {
    choose(parts);
  }

  fs::path file_of(const std::string& name) const override {
    return file_->file_of(gguf_tensor_name(name));
  }
  Json config_json() const override { return config().to_json("float32"); }
  std::string fingerprint() const override {
    Sha256 sha;
    for (const auto& [name, tensor] : file_->tensors())
      add_to_fingerprint(sha, name, ggml_type_info(tensor.type).name, tensor.shape, tensor.bytes);
    return sha.hex();
  }

 protected:
  StoredTensor find(const std::string& name) const override {
    GgufTensor tensor = file_->at(gguf_tensor_name(name));
    const bool rotated = name.ends_with("q_proj.weight") || name.ends_with("k_proj.weight");
    return StoredTensor(std::move(tensor),
                        HeadInterleave{rotated && is_interleaved_ ? config().head_dim : 0});
  }

 private:
  bool is_interleaved_;
  std::shared_ptr<const GgufFile> file_;
};

// A missing or misshapen tensor should be an error now, not in the middle of a pass.
std::shared_ptr<const LlamaSource> checked(std::shared_ptr<const LlamaSource> source) {
  for (const TensorSpec& spec : llama_tensors(source->config())) source->tensor(spec);
  return source;
}

}  // namespace

StoredTensor LlamaSource::tensor(const TensorSpec& spec) const {
  StoredTensor stored = find(spec.name);
  if (stored.shape() != spec.shape)
    throw FormatError("{}: tensor '{}' has shape {}, the configuration wants {}",
                      file_of(spec.name).string(), stored.name(), format_shape(stored.shape()),
                      format_shape(spec.shape));
  return stored;
}

std::shared_ptr<const LlamaSource> open_llama(std::shared_ptr<const HfFolder> folder,
                                              LlamaParts parts) {
  return checked(std::make_shared<HfSource>(std::move(folder), parts));
}

std::shared_ptr<const LlamaSource> open_llama(const fs::path& path, LlamaParts parts) {
  if (fs::is_regular_file(path))
    return checked(std::make_shared<GgufSource>(std::make_shared<const GgufFile>(path), parts));
  return open_llama(std::make_shared<const HfFolder>(path), parts);
}

}  // namespace tandem
