// SPDX-License-Identifier: Apache-2.0
#include "study/path_fingerprint.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "core/sha256.h"

namespace tandem {
namespace {

constexpr size_t kWholeBytes = size_t{64} << 20, kEndBytes = size_t{1} << 20;

void add_file(Sha256& sha, const fs::path& path) {
  const MappedFile file(path);
  sha.add(fmt::format("{}\n", file.size()));
  const auto bytes = file.bytes();
  if (bytes.size() <= kWholeBytes) {
    sha.add(bytes);
  } else {
    sha.add(bytes.first(kEndBytes)).add(bytes.last(kEndBytes));
  }
}

}  // namespace

std::string path_fingerprint(const fs::path& path) {
  Sha256 sha;
  if (!fs::exists(path)) throw IoError("{}: there is no such file or folder", path.string());
  if (!fs::is_directory(path)) {
    add_file(sha, path);
    return sha.hex();
  }
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  for (const fs::path& file : files) {
    sha.add(file.filename().string()).add("\n");
    add_file(sha, file);
  }
  return sha.hex();
}

}  // namespace tandem
