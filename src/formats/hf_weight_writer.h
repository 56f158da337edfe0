// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/file.h"
#include "formats/safetensors.h"

namespace tandem {

// Writes a Hugging Face folder's weights one tensor after the other, of any dtypes: one file when
// all fit into shard_bytes, shards with an index otherwise. At most one shard is in memory. Without
// finish() the files keep temporary names. Throws IoError, FormatError, Stopped.
class HfWeightWriter {
 public:
  HfWeightWriter(fs::path folder, int64_t shard_bytes)
      : folder_(std::move(folder)), shard_bytes_(shard_bytes) {}

  // owner keeps the view's bytes alive until they are written.
  void add(TensorView view, std::shared_ptr<const void> owner);
  void finish();

 private:
  void write_shard();

  fs::path folder_;
  int64_t shard_bytes_, pending_bytes_ = 0, total_bytes_ = 0;
  std::vector<TensorView> pending_;
  std::vector<std::shared_ptr<const void>> owners_;
  std::vector<std::pair<std::string, size_t>> shard_of_;  // tensor name, shard number
  size_t num_shards_ = 0;
};

}  // namespace tandem
