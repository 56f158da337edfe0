// SPDX-License-Identifier: Apache-2.0
#include "data/importers/importer.h"

#include <algorithm>

#include "core/error.h"

namespace tandem {
namespace {

std::string join(std::initializer_list<std::string_view> names) {
  return fmt::format("{}", fmt::join(names.begin(), names.end(), ", "));
}

}  // namespace

std::string plain_name(const fs::path& path) {
  return path.extension() == ".gz" ? path.stem().string() : path.filename().string();
}

fs::path find_in_folder(const fs::path& folder, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    for (const char* suffix : {"", ".gz"}) {
      fs::path path = folder / (std::string(name) + suffix);
      if (fs::is_regular_file(path)) return path;
    }
  }
  return {};
}

std::vector<fs::path> files_ending(const fs::path& folder, std::string_view suffix) {
  std::vector<fs::path> result;
  if (!fs::is_directory(folder)) return result;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file() && plain_name(entry.path()).ends_with(suffix))
      result.push_back(entry.path());
  }
  std::sort(result.begin(), result.end());
  return result;
}

fs::path input_file(const ImportOptions& options, std::initializer_list<std::string_view> names) {
  if (!fs::exists(options.input))
    throw IoError("{}: no such file or folder", options.input.string());
  if (!fs::is_directory(options.input)) return options.input;
  fs::path path = find_in_folder(options.input, names);
  if (path.empty())
    throw DataError("{}: found none of {} (or .gz) in the folder, expected one for --format {}",
                    options.input.string(), join(names), options.format);
  return path;
}

fs::path meta_file(const ImportOptions& options, const fs::path& interactions,
                   std::initializer_list<std::string_view> names) {
  if (options.meta) {
    if (!fs::is_regular_file(*options.meta))
      throw IoError("{}: no such file (--meta)", options.meta->string());
    return *options.meta;
  }
  return find_in_folder(interactions.parent_path(), names);
}

}  // namespace tandem
