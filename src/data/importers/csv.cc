// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "data/importers/importer.h"

namespace tandem {
namespace {

std::string separator_of(std::string_view line) {
  for (const char* candidate : {"\t", ",", ";", "|"}) {
    if (line.find(candidate) != std::string_view::npos) return candidate;
  }
  return ",";
}

bool is_column_number(const std::string& column) {
  return !column.empty() && column.find_first_not_of("0123456789") == std::string::npos;
}

// Whether the file of items is a table with this column: then the titles are there, and the
// interactions need not have it.
bool has_title(const fs::path& meta, const std::string& column) {
  if (column.empty() || meta.empty() || !plain_name(meta).ends_with(".csv")) return false;
  TextSource text(meta);
  const std::string line(text.peek_line());
  const std::vector<std::string> names = header_fields(line, separator_of(line));
  return std::ranges::find(names, column) != names.end();
}

}  // namespace

// A header is expected, unless the columns are all given by number and the first line's time or
// rating is a number.
void import_csv(const ImportOptions& options, ReadContext& context, Source& source) {
  const fs::path path =
      input_file(options, {"interactions.csv", "interactions.tsv", "ratings.csv"});
  TextSource text(path);
  if (text.peek_line().empty())
    throw FormatError("{}:1: found an empty line, expected a header", text.name());
  const std::string line(text.peek_line());
  const std::string separator = options.separator.empty() ? separator_of(line) : options.separator;
  const fs::path meta = meta_file(
      options, path,
      {"items.csv", "books.csv", "movies.csv", "meta.jsonl", "items.jsonl", "titles.tsv"});
  ColumnLayout layout;
  const ColumnMap& columns = options.columns;
  try {
    std::vector<std::string> names = header_fields(line, separator);
    ColumnMap here = columns;
    if (has_title(meta, columns.title) && std::ranges::find(names, columns.title) == names.end())
      here.title = "";
    layout = layout_of_header(std::move(names), separator, here);
  } catch (const BadLine& bad) {
    throw FormatError("{}:1: found {}, expected {}", text.name(), bad.found, bad.expected);
  }
  bool header = true;
  if (is_column_number(columns.user) && is_column_number(columns.item)) {
    const int probe = layout.time >= 0 ? layout.time : layout.rating;
    try {
      if (probe >= 0) {
        parse_time(layout.names[static_cast<size_t>(probe)]);
        header = false;
      }
    } catch (const BadLine&) {  // a name, so this is a header
    }
  }
  if (header) {
    text.take_line();
  } else {
    for (size_t i = 0; i < layout.names.size(); ++i) layout.names[i] = std::to_string(i + 1);
  }
  read_table(text, layout, context, source);
  if (!meta.empty()) {
    ColumnMap item_columns;  // a numbered column of the interactions says nothing about this file
    if (!is_column_number(columns.item)) item_columns.item = columns.item;
    item_columns.title = columns.title;
    read_items(meta, item_columns, context, source.items);
  }
}

}  // namespace tandem
