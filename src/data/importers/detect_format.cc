// SPDX-License-Identifier: Apache-2.0
#include "core/error.h"
#include "data/importers/log_files.h"
#include "data/text_source.h"

namespace tandem {
namespace {

constexpr std::string_view kLookedFor =
    "looked for .inter, sequences.tsv, interactions.csv, interactions.jsonl, u.data, ratings.dat, "
    "ratings.csv, interactions/*.csv, *.item.json, reviews in .json, tables with columns for user "
    "and item";

bool has_any(std::string_view line, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (line.find(name) != std::string_view::npos) return true;
  }
  return false;
}

// "" when it cannot be told.
std::string format_of_file(const fs::path& path, const ColumnMap& columns) {
  const std::string name = plain_name(path);
  TextSource text(path);
  const std::string_view line = text.peek_line();
  if (name.ends_with(".inter")) return "recbole";
  const bool dat = name.ends_with(".dat");
  if (name == "u.data" || line.starts_with("userId,movieId") ||
      (dat && (line.find("::") != std::string_view::npos || !is_log(path, columns))))
    return "movielens";
  if (line.starts_with("{"))
    return has_any(line, {"\"asin\"", "\"reviewerID\"", "'asin'", "'reviewerID'"}) ? "amazon"
                                                                                   : "jsonl";
  if (line.starts_with("item_id,user_id")) return "hllm";
  if (name.starts_with("ratings_") && name.ends_with(".csv")) return "amazon";
  if (name.ends_with(".csv")) return "csv";
  if (name.ends_with(".tsv"))
    return line.find('\t') == line.rfind('\t') && line.find(' ') != std::string_view::npos
               ? "sequences"
               : "csv";
  return is_log(path, columns) ? "csv" : "";
}

std::string format_of_folder(const fs::path& folder) {
  if (!files_ending(folder, ".inter").empty()) return "recbole";
  if (!find_in_folder(folder, {"sequences.tsv"}).empty()) return "sequences";
  if (!find_in_folder(folder, {"interactions.csv", "interactions.tsv"}).empty()) return "csv";
  if (!find_in_folder(folder, {"interactions.jsonl", "interactions.json"}).empty()) return "jsonl";
  if (!find_in_folder(folder, {"u.data", "ratings.dat"}).empty()) return "movielens";
  if (const fs::path ratings = find_in_folder(folder, {"ratings.csv"}); !ratings.empty())
    return TextSource(ratings).peek_line().starts_with("userId,movieId") ? "movielens" : "csv";
  if (!files_ending(folder / "interactions", ".csv").empty()) return "hllm";
  if (!files_ending(folder, ".item.json").empty()) return "minionerec";
  return "";
}

// The files that are no item text, for a message of one_log or for reviews whose first line says
// little.
std::vector<fs::path> any_data_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const char* suffix : {".json", ".jsonl", ".csv"}) {
    for (const fs::path& file : files_ending(folder, suffix)) {
      if (!plain_name(file).starts_with("meta")) files.push_back(file);
    }
  }
  return files;
}

// By the one log in a folder, or the parts of one, whatever their names.
DetectedInput detect_by_log(const ImportOptions& options) {
  const fs::path& folder = options.input;
  std::vector<fs::path> logs = json_logs(folder, options.columns);
  for (fs::path& table : table_logs(folder, options.columns)) logs.push_back(std::move(table));
  if (logs.empty()) logs = any_data_files(folder);
  if (logs.empty()) return {};
  logs = one_log(folder, logs, "");
  const std::string format = format_of_file(logs[0], options.columns);
  // Amazon's reader looks for the metadata beside the reviews.
  return {format, logs.size() == 1 && format != "amazon" ? logs[0] : folder};
}

// A folder of tables that are no text is named for what it is: opening one says so.
void refuse_containers(const fs::path& folder) {
  for (const char* suffix : {".parquet", ".feather", ".arrow", ".xlsx", ".sqlite", ".db", ".zip"})
    for (const fs::path& file : files_ending(folder, suffix)) TextSource(file).peek_line();
}

}  // namespace

DetectedInput detect_format(const ImportOptions& options) {
  if (!fs::exists(options.input))
    throw IoError("{}: no such file or folder", options.input.string());
  DetectedInput found{"", options.input};
  if (!fs::is_directory(options.input)) {
    found.format = format_of_file(options.input, options.columns);
  } else {
    found.format = format_of_folder(options.input);
    if (found.format.empty()) found = detect_by_log(options);
  }
  if (found.format.empty() && fs::is_directory(options.input)) refuse_containers(options.input);
  if (found.format.empty())
    throw DataError("{}: cannot tell the format ({}); name it with --format",
                    options.input.string(), kLookedFor);
  return found;
}

}  // namespace tandem
