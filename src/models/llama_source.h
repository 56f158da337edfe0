// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "core/file.h"
#include "formats/stored_tensor.h"
#include "models/llama_config.h"

namespace tandem {

// What of a model is read and must be there.
struct LlamaParts {
  bool embedding = true, head = true;  // see LlamaConfig::has_embedding, has_head
};

// Where a Llama's weights come from. Parameters go by their Hugging Face names and shapes whatever
// the file calls them; each stays in the form its file has (StoredTensor), mapped. Safe to read
// concurrently.
class LlamaSource {
 public:
  virtual ~LlamaSource() = default;
  LlamaSource(const LlamaSource&) = delete;
  LlamaSource& operator=(const LlamaSource&) = delete;

  const LlamaConfig& config() const { return config_; }
  const fs::path& path() const { return path_; }
  // The parameter; FormatError when it is missing or its shape is not the spec's. Views end with
  // the source.
  StoredTensor tensor(const TensorSpec& spec) const;
  // The file that holds the parameter: a shard, a part of a split GGUF file.
  virtual fs::path file_of(const std::string& name) const = 0;
  // config.json as the folder has it, or one made from the configuration.
  virtual Json config_json() const = 0;
  // Tells two models' weights apart at once, however large they are: SHA-256 of the name, type,
  // shape, and first and last 4 KiB of every tensor in the files.
  virtual std::string fingerprint() const = 0;

 protected:
  LlamaSource(fs::path path, LlamaConfig config)
      : path_(std::move(path)), config_(std::move(config)) {}
  virtual StoredTensor find(const std::string& name) const = 0;
  // May be put right by what lies beside config.json.
  LlamaConfig& mutable_config() { return config_; }
  void choose(LlamaParts parts) {
    config_.has_embedding = parts.embedding;
    config_.has_head = parts.head;
  }

 private:
  fs::path path_;
  LlamaConfig config_;
};

// A Hugging Face folder (F32, F16, BF16, or bitsandbytes' NF4 for its linear layers) or a GGUF file
// of architecture llama, qwen2 or qwen3, told apart by what the path is. Every parameter's presence
// and shape is checked, those outside `parts` apart. EOS ids are those of a folder's
// generation_config.json where it has any, as in transformers. Throws FormatError, IoError.
std::shared_ptr<const LlamaSource> open_llama(const fs::path& path, LlamaParts parts = {});
// The same of a folder that is open already.
std::shared_ptr<const LlamaSource> open_llama(std::shared_ptr<const HfFolder> folder,
                                              LlamaParts parts = {});

// The configuration of a GGUF file. Llama 3.1's rotation, which the format keeps as a tensor of
// factors, is recognised by its values.
LlamaConfig gguf_llama_config(const GgufFile& file);
// "blk.0.attn_q.weight" for "model.layers.0.self_attn.q_proj.weight".
std::string gguf_tensor_name(const std::string& hf_name);

}  // namespace tandem
