// SPDX-License-Identifier: Apache-2.0
// Amazon reviews (JSON lines, Python literals) and ratings (CSV) of 2014, 2018 and 2023.
#include <algorithm>

#include "core/error.h"
#include "data/importers/importer.h"
#include "data/importers/items.h"
#include "data/importers/json_rows.h"
#include "data/importers/log_files.h"

namespace tandem {
namespace {

bool has_header(const std::string_view line) {
  if (line.starts_with("user,item")) return true;
  const std::vector<std::string> names = header_fields(line, ",");
  return find_usual(names, Role::kUser) && find_usual(names, Role::kItem);
}

// "user,item,rating,time" (2014) or "item,user,rating,time" (2018), without a header: an ASIN has
// ten characters, a reviewer id more.
ColumnLayout ratings_layout(TextSource& text) {
  const std::vector<std::string> first = header_fields(text.peek_line(), ",");
  if (first.size() != 4)
    throw BadLine{fmt::format("{} columns: {}", first.size(), excerpt(text.peek_line())),
                  "user,item,rating,time without a header, separated by ','"};
  ColumnLayout layout;
  layout.num_columns = 4;
  const bool item_first = first[0].size() == 10 && first[1].size() > 10;
  layout.user = item_first ? 1 : 0;
  layout.item = item_first ? 0 : 1;
  layout.rating = 2;
  layout.time = 3;
  layout.names = item_first ? std::vector<std::string>{"item", "user", "rating", "timestamp"}
                            : std::vector<std::string>{"user", "item", "rating", "timestamp"};
  return layout;
}

void read_ratings(const fs::path& path, const ImportOptions& options, const ColumnMap& columns,
                  ReadContext& context, Source& source) {
  TextSource text(path);
  ColumnLayout layout;
  try {
    if (has_header(text.peek_line())) {
      layout = take_header(text, ",", columns);
    } else {
      refuse_columns(options, "these ratings have no header, their columns are fixed");
      layout = ratings_layout(text);
    }
  } catch (const BadLine& bad) {
    throw FormatError("{}:1: found {}, expected {}", text.name(), bad.found, bad.expected);
  }
  read_table(text, layout, context, source);
}

// Reviews and ratings in a folder: what looks like them, else all data that is not metadata, so that
// reading says what is wrong with it.
std::vector<fs::path> logs_of_folder(const fs::path& folder, const ColumnMap& columns) {
  std::vector<fs::path> logs, all;
  for (const char* suffix : {".json", ".jsonl", ".csv"}) {
    for (const fs::path& file : files_ending(folder, suffix)) {
      if (plain_name(file).starts_with("meta")) continue;
      all.push_back(file);
      if (plain_name(file).starts_with("ratings") || is_log(file, columns)) logs.push_back(file);
    }
  }
  return one_log(folder, logs.empty() ? all : logs,
                 "no .json, .jsonl or .csv file (or .gz), expected Amazon reviews or ratings");
}

// What meta_Beauty.json.gz, Beauty_5.json and ratings_Beauty.csv are about.
std::string category_of(const fs::path& path) {
  std::string name = plain_name(path);
  name = name.substr(0, name.find('.'));
  for (const std::string_view prefix : {"meta_", "reviews_", "ratings_"}) {
    if (name.starts_with(prefix)) name.erase(0, prefix.size());
  }
  for (const std::string_view suffix : {"_5", "_10"}) {
    if (name.ends_with(suffix)) name.erase(name.size() - suffix.size());
  }
  return name;
}

// The metadata in the folder: the only file, or the one of the log's category.
fs::path meta_of_folder(const fs::path& folder, const fs::path& log) {
  std::vector<fs::path> metas;
  std::vector<std::string> names;
  for (const char* suffix : {".json", ".jsonl", ".csv"}) {
    for (const fs::path& file : files_ending(folder, suffix)) {
      if (!plain_name(file).starts_with("meta")) continue;
      metas.push_back(file);
      names.push_back(file.filename().string());
    }
  }
  if (metas.size() < 2) return metas.empty() ? fs::path() : metas[0];
  for (const fs::path& meta : metas) {
    if (category_of(meta) == category_of(log)) return meta;
  }
  throw DataError(
      "{}: found several files of metadata: {}; expected one, or one of {}; name it with "
      "--meta",
      folder.string(), fmt::join(names, ", "), category_of(log));
}

}  // namespace

void import_amazon(const ImportOptions& options, ReadContext& context, Source& source) {
  if (!fs::exists(options.input))
    throw IoError("{}: no such file or folder", options.input.string());
  std::vector<fs::path> logs{options.input};
  fs::path meta = options.meta.value_or(fs::path());
  if (fs::is_directory(options.input)) {
    logs = logs_of_folder(options.input, options.columns);
    if (meta.empty()) meta = meta_of_folder(options.input, logs[0]);
  }
  ColumnMap columns = options.columns;
  for (const fs::path& log : logs) {
    if (plain_name(log).ends_with(".csv")) {
      if (!meta.empty()) columns.title = "";
      read_ratings(log, options, columns, context, source);
    } else {
      const TitlesIn titles = columns.title.empty() ? TitlesIn::kItems  // "title" is the review's
                              : meta.empty()        ? TitlesIn::kRows
                                                    : TitlesIn::kEither;
      const JsonKeys keys = keys_of_file(log, columns, titles, context);
      read_json_rows(log, keys, context, source);
      if (!keys.title.empty()) columns.title = "";
    }
  }
  if (meta.empty()) return;
  if (plain_name(logs[0]).ends_with(".csv")) columns.title = options.columns.title;
  read_items(meta, columns, context, source.items);
}

}  // namespace tandem
