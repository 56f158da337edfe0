// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdlib.h>

#include <string>
#include <system_error>

#include "core/error.h"
#include "core/file.h"

namespace tandem::test {

// A new, empty folder, removed with all that is in it when the object ends. Where a path is
// expected it is its path. Tests, oracle checkers and fuzz targets have no other.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "tandem_test_XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw IoError("{}: cannot be made", pattern);
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const fs::path& path() const { return path_; }
  operator const fs::path&() const { return path_; }
  fs::path operator/(const fs::path& name) const { return path_ / name; }

 private:
  fs::path path_;
};

}  // namespace tandem::test
