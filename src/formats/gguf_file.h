// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "formats/ggml_blocks.h"
#include "formats/gguf_split.h"

namespace tandem {

// A tensor of a GGUF file: row-major, shape with the outermost axis first (the file writes the
// innermost first). Blocks lie along rows.
struct GgufTensor {
  std::string name = {};
  GgmlType type = GgmlType::kF32;
  std::vector<int64_t> shape = {};
  std::span<const std::byte> bytes = {};

  int64_t count() const;  // elements
  int64_t columns() const { return shape.back(); }
  // Rows [begin, begin + count) of the tensor flattened to [count() / columns(), columns()].
  void dequantize_rows(int64_t begin, int64_t count, float* out) const;
};

// A GGUF file with its tensors, mapped; a tensor's bytes are read when touched. A part of a split
// model stands for the whole (gguf_split.h). Names, dimensions, types, offsets and alignment are
// checked against the file. Throws FormatError naming file and tensor, also for an element type
// that is not read; IoError.
class GgufFile {
 public:
  explicit GgufFile(const fs::path& path);

  const fs::path& path() const { return parts_.front().path(); }  // of the first part
  const GgufMetadata& metadata() const { return parts_.front(); }
  // The part that holds the tensor; the first one for a tensor that is not there.
  const fs::path& file_of(std::string_view tensor) const;
  const std::map<std::string, GgufTensor, std::less<>>& tensors() const { return tensors_; }
  bool contains(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }
  // FormatError when absent.
  const GgufTensor& at(std::string_view name) const;

 private:
  void read_tensors(const GgufMetadata& part);

  std::vector<GgufMetadata> parts_;
  std::map<std::string, GgufTensor, std::less<>> tensors_;
};

}  // namespace tandem
