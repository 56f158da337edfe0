// SPDX-License-Identifier: Apache-2.0
// A GGUF file by hand, field by field.
#pragma once

#include <cstdint>
#include <string>

namespace tandem::test {

class GgufBytes {
 public:
  GgufBytes(uint64_t tensors, uint64_t keys) {
    put(uint32_t{3});  // the version
    put(tensors);
    put(keys);
  }

  template <typename T>
  void put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(const std::string& value) {
    put(uint64_t{value.size()});
    bytes_ += value;
  }
  // Zeros up to the next multiple of 32, the usual alignment.
  void align() { bytes_.resize((bytes_.size() + 31) / 32 * 32); }

  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_ = "GGUF";
};

}  // namespace tandem::test
