// SPDX-License-Identifier: Apache-2.0
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
  ColumnLayout layout;
  try {
    layout = layout_of_header(header_fields(line, separator), separator, options.columns);
  } catch (const BadLine& bad) {
    throw FormatError("{}:1: found {}, expected {}", text.name(), bad.found, bad.expected);
  }
  const ColumnMap& columns = options.columns;
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
  const fs::path meta = meta_file(
      options, path,
      {"items.csv", "books.csv", "movies.csv", "meta.jsonl", "items.jsonl", "titles.tsv"});
  if (!meta.empty()) {
    ColumnMap item_columns;  // a numbered column of the interactions says nothing about this file
    if (!is_column_number(columns.item)) item_columns.item = columns.item;
    item_columns.title = columns.title;
    read_items(meta, item_columns, context, source.items);
  }
}

}  // namespace tandem
