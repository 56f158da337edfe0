// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/json.h"

namespace tandem {

enum class DType { kF64, kF32, kF16, kBf16, kI64, kI32, kI16, kI8, kU8, kBool };

int64_t dtype_bytes(DType dtype);
std::string_view dtype_name(DType dtype);  // as safetensors writes it: "F32", "BF16", ...

// A tensor's description and where its bytes are. Row-major, contiguous, little-endian.
struct TensorView {
  std::string name = {};
  DType dtype = DType::kF32;
  std::vector<int64_t> shape = {};
  std::span<const std::byte> bytes = {};

  int64_t count() const;  // product of the shape
  // The elements as T; FormatError when the dtype is another or the data is misaligned for T.
  // uint16_t gives the bits of F16 and BF16, uint8_t the bytes of U8 and BOOL.
  template <typename T>
  std::span<const T> as() const;
};

// A safetensors file, mapped. Tensors stay in the file until touched.
// Format: u64 header size, JSON header {name: {dtype, shape, data_offsets}}, data. Everything is
// checked before use: header size against the file, offsets against the data, shape times dtype
// against the offsets, overlaps, gaps, names that occur twice. C64 is shown as F32 with a last axis
// of 2 (real, imaginary). Throws FormatError naming file and tensor.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const fs::path& path);

  const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  bool contains(const std::string& name) const { return tensors_.contains(name); }
  // FormatError when absent.
  const TensorView& at(const std::string& name) const;
  const Json& metadata() const { return metadata_; }  // the __metadata__ map of strings, or {}
  const fs::path& path() const { return file_.path(); }

 private:
  MappedFile file_;
  std::map<std::string, TensorView> tensors_;
  Json metadata_ = Json::object();
};

// Writes tensors, whole or not at all. The header keeps the given order; the data lies by falling
// element size, so that every tensor is aligned for its dtype without gaps. metadata: a map of
// strings. Throws IoError, and FormatError when a name occurs twice or a tensor's bytes do not fit
// its shape.
void write_safetensors(const fs::path& path, std::span<const TensorView> tensors,
                       const Json& metadata = Json::object());

// A tensor whose data lie in pieces, one after the other; tensor.bytes is not looked at.
struct TensorPieces {
  TensorView tensor = {};
  std::vector<std::span<const std::byte>> pieces = {};
};
// The same for tensors in pieces, which are never put together in memory.
void write_safetensors(const fs::path& path, std::span<const TensorPieces> tensors,
                       const Json& metadata = Json::object());

}  // namespace tandem
