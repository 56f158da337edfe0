// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/json.h"
#include "core/output.h"
#include "formats/safetensors.h"
#include "formats/tensor_spec.h"

namespace tandem {

// A Hugging Face model folder: config.json and the weights, either model.safetensors or shards that
// model.safetensors.index.json names. All files are mapped; a tensor's bytes are read when touched.
// Tensors that a shard holds beyond the index are not shown, as in transformers. Where both forms
// lie, model.safetensors is read, as there, with a warning. Throws IoError and FormatError, naming
// file and tensor; of a shard that is not there, or not the one that the index was made for, also
// the index.
class HfFolder {
 public:
  explicit HfFolder(const fs::path& path);

  const fs::path& path() const { return path_; }
  fs::path config_path() const { return path_ / "config.json"; }
  const Json& config() const { return config_; }
  const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  bool contains(const std::string& name) const { return tensors_.contains(name); }
  // Where the tensor lies; of one that is not there the file that would name it.
  fs::path file_of(const std::string& name) const;
  // FormatError when absent.
  const TensorView& at(const std::string& name) const;
  // The same; FormatError too unless the elements are F32, F16 or BF16.
  const TensorView& floats(const std::string& name) const;
  // And unless the shape is the spec's.
  const TensorView& weight(const TensorSpec& spec) const;

 private:
  void load_weights();
  void load_shards(const fs::path& index_path);

  fs::path path_;
  Json config_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, size_t> shard_of_;  // place in files_; empty for a single file
};

// A model folder that this program wrote: its config.json says so under "tandem_version". A folder
// from elsewhere is never replaced.
extern const OutputKind kModelFolder;

// Writes weights into a folder under the names that HfFolder reads: one file when all fit into
// shard_bytes, shards and an index otherwise. fill(spec, bytes) makes one tensor's data; only one
// shard is in memory at a time. Throws IoError, FormatError, Stopped.
void write_hf_weights(
    const fs::path& folder, std::span<const TensorSpec> tensors, DType dtype, int64_t shard_bytes,
    const std::function<void(const TensorSpec& spec, std::span<std::byte> bytes)>& fill);

}  // namespace tandem
