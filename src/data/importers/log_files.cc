// SPDX-License-Identifier: Apache-2.0
#include "data/importers/log_files.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include "core/error.h"
#include "data/importers/separator.h"
#include "data/importers/table.h"
#include "data/json_line.h"

namespace tandem {
namespace {

std::string joined_names(const std::vector<fs::path>& files) {
  std::vector<std::string> names;
  for (const fs::path& file : files) names.push_back(file.filename().string());
  return fmt::format("{}", fmt::join(names, ", "));
}

// The part that the file's name says, 0 to 2, and the name without that word.
struct Part {
  int order;
  std::string rest;
};
constexpr std::array<std::pair<std::string_view, int>, 8> kWords = {{{"train", 0},
                                                                     {"training", 0},
                                                                     {"valid", 1},
                                                                     {"validation", 1},
                                                                     {"val", 1},
                                                                     {"dev", 1},
                                                                     {"test", 2},
                                                                     {"testing", 2}}};

std::optional<Part> part_of(const fs::path& path) {
  std::string name = plain_name(path);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto is_letter = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  for (size_t begin = 0; begin < name.size();) {
    size_t end = begin;
    while (end < name.size() && is_letter(name[end])) ++end;
    for (const auto& [word, order] : kWords) {
      if (std::string_view(name).substr(begin, end - begin) == word)
        return Part{order, name.substr(0, begin) + '*' + name.substr(end)};
    }
    begin = end + 1;
  }
  return std::nullopt;
}

// Item text beside the log.
bool is_item_name(const fs::path& path) {
  std::string name = plain_name(path);
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name.starts_with("meta") || name.starts_with("item") || name.starts_with("books.") ||
         name.starts_with("movies.") || name.starts_with("titles.") || name.ends_with(".item.json");
}

std::vector<fs::path> logs_ending(const fs::path& folder, const ColumnMap& columns,
                                  std::initializer_list<std::string_view> suffixes) {
  std::vector<fs::path> logs;
  for (const std::string_view suffix : suffixes) {
    for (const fs::path& file : files_ending(folder, suffix)) {
      if (!is_item_name(file) && is_log(file, columns)) logs.push_back(file);
    }
  }
  return logs;
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
    const fs::path& path = entry.path();
    if (!entry.is_regular_file() || !plain_name(path).ends_with(suffix)) continue;
    if (path.extension() == ".gz" && fs::is_regular_file(fs::path(path).replace_extension()))
      continue;
    result.push_back(path);
  }
  std::sort(result.begin(), result.end());
  return result;
}

std::vector<fs::path> split_parts(const std::vector<fs::path>& files) {
  std::array<fs::path, 3> parts;
  std::string rest;
  for (const fs::path& file : files) {
    const auto part = part_of(file);
    if (!part || (!rest.empty() && part->rest != rest) || !parts[part->order].empty()) return {};
    rest = part->rest;
    parts[part->order] = file;
  }
  std::vector<fs::path> result;
  for (fs::path& part : parts) {
    if (!part.empty()) result.push_back(std::move(part));
  }
  return result;
}

std::vector<fs::path> one_log(const fs::path& folder, const std::vector<fs::path>& files,
                              std::string_view expected) {
  if (files.empty()) throw DataError("{}: found {}", folder.string(), expected);
  if (files.size() == 1) return files;
  std::vector<fs::path> parts = split_parts(files);
  if (parts.empty())
    throw DataError(
        "{}: found several logs: {}; expected one, or the parts of one split (train, valid, test); "
        "name one with --input",
        folder.string(), joined_names(files));
  return parts;
}

bool is_split_name(std::string_view stem) {
  const size_t dot = stem.rfind('.');
  return dot != std::string_view::npos && dot > 0 &&
         std::ranges::any_of(kWords,
                             [&](const auto& word) { return word.first == stem.substr(dot + 1); });
}

bool is_log(const fs::path& path, const ColumnMap& columns) {
  try {
    TextSource text(path);
    const std::string line(text.peek_line());
    std::vector<std::string> names;
    if (trimmed(line).starts_with('{')) {
      JsonLine json;
      json.parse(line);
      names = json.keys();
    } else {
      names = header_fields(line, guess_separator(text.sample(), {columns.user, columns.item}));
    }
    const auto has = [&](const std::string& wanted, Role role) {
      return wanted.empty() ? find_usual(names, role).has_value()
                            : std::ranges::find(names, wanted) != names.end();
    };
    return has(columns.user, Role::kUser) && has(columns.item, Role::kItem);
  } catch (const BadLine&) {
    return false;
  } catch (const FormatError&) {
    return false;
  }
}

std::vector<fs::path> table_logs(const fs::path& folder, const ColumnMap& columns) {
  return logs_ending(folder, columns, {".csv", ".tsv", ".txt", ".dat"});
}

std::vector<fs::path> json_logs(const fs::path& folder, const ColumnMap& columns) {
  return logs_ending(folder, columns, {".json", ".jsonl"});
}

std::vector<fs::path> input_logs(const ImportOptions& options,
                                 std::initializer_list<std::string_view> names,
                                 const std::vector<fs::path>& others) {
  if (!fs::exists(options.input))
    throw IoError("{}: no such file or folder", options.input.string());
  if (!fs::is_directory(options.input)) return {options.input};
  std::vector<fs::path> named;
  for (const std::string_view name : names) {
    if (fs::path path = find_in_folder(options.input, {name}); !path.empty())
      named.push_back(std::move(path));
  }
  return one_log(options.input, named.empty() ? others : named,
                 fmt::format("none of {} (or .gz) in the folder, expected one for --format {}",
                             fmt::join(names.begin(), names.end(), ", "), options.format));
}

}  // namespace tandem
