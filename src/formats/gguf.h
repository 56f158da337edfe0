// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"

namespace tandem {

// Whether a file begins as GGUF files do; false for what is no file or cannot be read.
bool is_gguf_file(const fs::path& path);

// The key-value part of a GGUF file (versions 2 and 3, little-endian), mapped and read in place.
// Every length is checked against the file before it is believed; nothing is allocated beyond a few
// times the file.
class GgufMetadata {
 public:
  // Throws FormatError or IoError.
  explicit GgufMetadata(const fs::path& path);

  bool contains(std::string_view key) const { return find(key) != nullptr; }
  // FormatError when the key is missing or of another type.
  std::string_view text(std::string_view key) const;
  std::vector<std::string_view> texts(std::string_view key) const;
  std::vector<double> numbers(std::string_view key) const;
  // Absent keys give nothing; any integer or bool counts as a number.
  std::optional<int64_t> integer(std::string_view key) const;
  std::optional<bool> flag(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;  // floats too

  const fs::path& path() const { return file_.path(); }
  std::span<const std::byte> bytes() const { return file_.bytes(); }  // of the whole file
  int64_t num_tensors() const { return num_tensors_; }
  // Where the tensor infos begin.
  size_t tensor_infos_begin() const { return end_; }

 private:
  struct Value {
    uint32_t type = 0;  // of the value, or of an array's elements
    bool is_array = false;
    uint64_t count = 1;
    size_t begin = 0;  // of the first element, bytes from the file's begin
  };
  class Reader;
  const Value* find(std::string_view key) const;
  const Value& get(std::string_view key) const;

  MappedFile file_;
  std::map<std::string, Value, std::less<>> values_;
  int64_t num_tensors_ = 0;
  size_t end_ = 0;
};

}  // namespace tandem
