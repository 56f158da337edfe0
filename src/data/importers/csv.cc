// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "data/importers/importer.h"
#include "data/importers/items.h"
#include "data/importers/log_files.h"
#include "data/importers/separator.h"

namespace tandem {
namespace {

// At most six digits: no table has more columns.
bool is_column_number(const std::string& column) {
  return !column.empty() && column.size() <= 6 && column != "0" &&
         column.find_first_not_of("0123456789") == std::string::npos;
}

bool is_number(std::string_view text) {
  text = trimmed(text);
  return !text.empty() && text.find_first_not_of("0123456789.-+") == std::string_view::npos;
}

template <typename Parse>
bool parses(std::string_view text, Parse parse) {
  try {
    (void)parse(text);
    return true;
  } catch (const BadLine&) {
    return false;
  }
}

// Whether the file begins with a row: only where all columns are given by number. A time, a rating
// or a number where the next rows have numbers is no name.
bool begins_with_row(TextSource& text, const std::string& separator, const ColumnMap& columns,
                     ReadContext& context) {
  for (const std::string* column : {&columns.user, &columns.item}) {
    if (!is_column_number(*column)) return false;
  }
  for (const std::string* column : {&columns.time, &columns.rating, &columns.title}) {
    if (!column->empty() && !is_column_number(*column)) return false;
  }
  const std::string sample(text.sample());
  CsvReader reader(sample, separator);
  std::vector<std::string_view> fields;
  reader.next(fields);
  const std::vector<std::string> first(fields.begin(), fields.end());
  const auto field = [&](const std::string& column) -> std::string_view {
    const size_t at = column.empty() ? 0 : std::stoul(column);
    return at >= 1 && at <= first.size() ? std::string_view(first[at - 1]) : "";
  };
  const auto told = [&](const std::string& column, auto parse) -> std::optional<bool> {
    if (column.empty() || is_missing(field(column))) return std::nullopt;
    return parses(field(column), parse);
  };
  if (const auto row = told(columns.time, parse_time)) return *row;
  if (const auto row = told(columns.rating, parse_rating)) return *row;
  for (const std::string& name : first) {
    if (is_usual_name(clean_text(name))) return false;
  }
  for (const std::string* column : {&columns.user, &columns.item}) {
    if (is_number(field(*column))) return true;
  }
  // Names over numbers are a header.
  const size_t user = std::stoul(columns.user), item = std::stoul(columns.item);
  bool numbers = false;
  try {
    numbers = reader.next(fields) && fields.size() == first.size() && std::min(user, item) >= 1 &&
              std::max(user, item) <= fields.size() &&
              (is_number(fields[user - 1]) || is_number(fields[item - 1]));
  } catch (const BadLine&) {  // reading tells it with its line
  }
  if (!numbers)
    context.warn(fmt::format(
        "{}: the first line, {}, is read as a row, for its columns have no names that are known",
        text.name(), excerpt(text.peek_line())));
  return !numbers;
}

// Without a header columns are called by their numbers. Throws BadLine.
ColumnLayout take_layout(TextSource& text, const std::string& separator, const ColumnMap& columns,
                         ReadContext& context) {
  if (!begins_with_row(text, separator, columns, context)) {
    ColumnLayout layout =
        layout_of_header(header_fields(text.peek_line(), separator), separator, columns);
    text.take_line();
    return layout;
  }
  std::vector<std::string> names = header_fields(text.peek_line(), separator);
  for (size_t i = 0; i < names.size(); ++i) names[i] = std::to_string(i + 1);
  return layout_of_header(std::move(names), separator, columns);
}

// A title's column may be one of the log or of the file of items.
bool in_header(TextSource& text, const std::string& separator, const std::string& column) {
  const std::vector<std::string> names = header_fields(text.peek_line(), separator);
  return is_column_number(column) || std::ranges::find(names, column) != names.end();
}

// Reads a log; whether it had the wanted title.
bool read_log(const fs::path& path, const ImportOptions& options, bool with_items,
              ReadContext& context, Source& source) {
  TextSource text(path);
  if (text.peek_line().empty())
    throw FormatError("{}:1: found an empty line, expected a header", text.name());
  ColumnMap here = options.columns;
  ColumnLayout layout;
  try {
    const std::string separator =
        options.separator.empty() ? guess_separator(text.sample(), {here.user, here.item, here.time,
                                                                    here.rating, here.title})
                                  : options.separator;
    if (with_items && !here.title.empty() && !in_header(text, separator, here.title))
      here.title = "";
    layout = take_layout(text, separator, here, context);
    // Without a file of items less usual names are titles, too.
    if (layout.title < 0 && !with_items)
      layout.title = find_column(layout.names, "", Role::kItemTitle, layout.separator, false);
    if (with_items && here.title.empty() && layout.title >= 0 &&
        !find_usual(layout.names, Role::kTitle)->sure)
      layout.title = -1;
  } catch (const BadLine& bad) {
    throw FormatError("{}:1: found {}, expected {}", text.name(), bad.found, bad.expected);
  }
  read_table(text, layout, context, source);
  return here.title == options.columns.title;
}

}  // namespace

void import_csv(const ImportOptions& options, ReadContext& context, Source& source) {
  std::vector<fs::path> others;
  if (fs::is_directory(options.input)) others = table_logs(options.input, options.columns);
  const std::vector<fs::path> logs =
      input_logs(options, {"interactions.csv", "interactions.tsv", "ratings.csv"}, others);
  const fs::path meta = meta_file(options, logs[0],
                                  {"items.csv", "books.csv", "movies.csv", "meta.jsonl",
                                   "items.jsonl", "titles.tsv", "items.tsv"});
  bool has_title = true;
  for (const fs::path& log : logs)
    has_title &= read_log(log, options, !meta.empty(), context, source);
  if (meta.empty()) return;
  ColumnMap item_columns;  // a numbered column of the interactions says nothing about this file
  if (!is_column_number(options.columns.item)) item_columns.item = options.columns.item;
  if (!has_title) item_columns.title = options.columns.title;
  read_items(meta, item_columns, context, source.items);
}

}  // namespace tandem
