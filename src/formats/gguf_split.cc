// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_split.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "core/error.h"

namespace tandem {
namespace {

constexpr int64_t kMostParts = 99'999;  // what five digits can name

// Which part a file is, by its keys.
struct Part {
  int64_t number = 0, count = 1;  // number from 0
};

Part read_part(const GgufMetadata& file) {
  const int64_t count = file.integer("split.count").value_or(1);
  if (count < 0 || count > kMostParts)
    throw FormatError("{}: split.count is {}, expected 1 to {}", file.path().string(), count,
                      kMostParts);
  if (count <= 1) return {};
  const auto number = file.integer("split.no");
  if (!number) throw FormatError("{}: key 'split.no' is missing", file.path().string());
  if (*number < 0 || *number >= count)
    throw FormatError("{}: split.no is {}, expected 0 to {} as split.count is {}",
                      file.path().string(), *number, count - 1, count);
  return {*number, count};
}

std::string part_ending(const Part& part) {
  return fmt::format("-{:05}-of-{:05}.gguf", part.number + 1, part.count);
}

// Where the other parts lie: the name up to the number.
std::string common_name(const fs::path& path, const Part& part) {
  const std::string name = path.filename().string(), ending = part_ending(part);
  if (name.size() <= ending.size() || !name.ends_with(ending))
    throw FormatError(
        "{}: is part {} of {} (split.no, split.count); the others are found by their names, "
        "expected NAME{}",
        path.string(), part.number + 1, part.count, ending);
  return name.substr(0, name.size() - ending.size());
}

// Part `number` of the model that `given` is a part of.
GgufMetadata open_part(const fs::path& given, const Part& part, int64_t number) {
  const Part wanted{number, part.count};
  const fs::path path = given.parent_path() / (common_name(given, part) + part_ending(wanted));
  if (!fs::exists(path))
    throw FormatError("{}: is part {} of {}, and part {} is missing: {}", given.string(),
                      part.number + 1, part.count, number + 1, path.string());
  GgufMetadata file(path);
  const Part found = read_part(file);
  if (found.number != number || found.count != part.count)
    throw FormatError("{}: its keys say part {} of {}, its name part {} of {}", path.string(),
                      found.number + 1, found.count, number + 1, part.count);
  return file;
}

}  // namespace

std::vector<GgufMetadata> open_gguf_parts(const fs::path& path) {
  std::vector<GgufMetadata> parts;
  GgufMetadata given(path);
  const Part part = read_part(given);
  if (part.count == 1) {
    parts.push_back(std::move(given));
    return parts;
  }
  int64_t tensors = 0;
  for (int64_t number = 0; number < part.count; ++number) {
    parts.push_back(open_part(path, part, number));
    tensors += parts.back().num_tensors();
  }
  const auto wanted = parts.front().integer("split.tensors.count");
  if (wanted && *wanted != tensors)
    throw FormatError("{}: split.tensors.count is {}, the {} parts hold {} tensors",
                      parts.front().path().string(), *wanted, part.count, tensors);
  return parts;
}

GgufMetadata open_gguf_keys(const fs::path& path) {
  GgufMetadata given(path);
  const Part part = read_part(given);
  return part.number == 0 ? std::move(given) : open_part(path, part, 0);
}

}  // namespace tandem
