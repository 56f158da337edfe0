// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

#include "core/file.h"

namespace tandem {

// One folder for all inputs of a fuzz target, in memory where the system has /dev/shm; removed when
// the process ends well.
class MemoryFolder {
 public:
  MemoryFolder() {
    std::string pattern =
        fs::is_directory("/dev/shm") ? "/dev/shm/tandem_fuzz_XXXXXX" : "/tmp/tandem_fuzz_XXXXXX";
    if (!::mkdtemp(pattern.data())) std::abort();
    path_ = pattern;
  }
  ~MemoryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  MemoryFolder(const MemoryFolder&) = delete;
  MemoryFolder& operator=(const MemoryFolder&) = delete;

  const fs::path& path() const { return path_; }
  void write(const char* name, std::string_view content) const {
    std::ofstream(path_ / name, std::ios::binary | std::ios::trunc) << content;
  }

 private:
  fs::path path_;
};

// The input as two files: two bytes of length, the first file (JSON), the second (safetensors).
struct TwoFiles {
  std::string_view first, second;
};

inline TwoFiles split_input(const uint8_t* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  if (size < 2) return {all, {}};
  const size_t length = std::min<size_t>(size - 2, data[0] | data[1] << 8);
  return {all.substr(2, length), all.substr(2 + length)};
}

}  // namespace tandem
