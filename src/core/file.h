// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace tandem {

namespace fs = std::filesystem;

// A whole file mapped read-only. Pages come in on first touch and can be dropped by the system
// again, so a file larger than memory is fine. Movable; the mapping ends with the object. Throws
// IoError.
class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const fs::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  size_t size() const { return size_; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// The whole file as text; throws IoError.
std::string read_file(const fs::path& path);

// Writes a file so that a reader sees the old content or the new one, never a part: a temporary
// name beside it, fsync, rename. Throws IoError.
void write_file(const fs::path& path, std::string_view content);
void write_file(const fs::path& path, std::span<const std::byte> content);
// The same for a content in pieces, so that a large file is never put together in memory.
void write_file(const fs::path& path, std::span<const std::span<const std::byte>> pieces);

}  // namespace tandem
