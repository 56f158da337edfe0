// SPDX-License-Identifier: Apache-2.0
#include "data/importers/table.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "core/error.h"
#include "data/importers/history_rows.h"
#include "data/importers/record_reader.h"

namespace tandem {
namespace {

std::string listed(const std::vector<std::string>& names, std::string_view separator) {
  return fmt::format("columns {} separated by {}",
                     excerpt(fmt::format("{}", fmt::join(names, ", "))), separator_name(separator));
}

std::optional<size_t> number_of(const std::string& wanted, size_t most) {
  size_t number = 0;
  const auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), number);
  if (error != std::errc() || end != wanted.data() + wanted.size() || number < 1 || number > most)
    return std::nullopt;
  return number - 1;
}

// By name, by number from 1, or by the folded name that one column has.
std::optional<size_t> find_wanted(const std::vector<std::string>& names,
                                  const std::string& wanted) {
  const auto found = std::find(names.begin(), names.end(), wanted);
  if (found != names.end()) return static_cast<size_t>(found - names.begin());
  if (const auto number = number_of(wanted, names.size())) return number;
  std::optional<size_t> folded;
  for (size_t i = 0; i < names.size(); ++i) {
    if (folded_name(names[i]) != folded_name(wanted)) continue;
    if (folded) return std::nullopt;
    folded = i;
  }
  return folded;
}

// Which of two columns of one name is meant, the file does not say.
void check_single(const std::vector<std::string>& names, size_t at, std::string_view what) {
  if (std::count(names.begin(), names.end(), names[at]) < 2) return;
  throw BadLine{
      fmt::format("the column '{}' more than once", names[at]),
      fmt::format("one column for the {}, or its number with --columns {}=N", what, what)};
}

// Record by record on one thread: quotes may hold line ends, and the first title of an item is the
// one that counts.
void read_by_record(TextSource& text, const ColumnLayout& layout, bool quotes, ReadContext& context,
                    Source& source) {
  source.begin_log(text.name(), layout.time >= 0);
  InteractionLog& log = source.log;
  const size_t first = log.user.size();
  int64_t dates = 0;
  for_rows(text, layout, quotes, context, [&](const Row& row, const auto& fields) {
    log.add(log.users.add(row.user), log.items.add(row.item), row.time, row.rating);
    dates += row.time.date;
    if (layout.title >= 0)
      source.items.add({std::string(row.item), clean_text(fields[layout.title]), {}});
  });
  source.end_log(first, dates, context);
}

// A column that was only guessed to hold the time (or the rating) from its name counts when the
// first row has such a value; else it is named and passed over.
void check_guess(int& column, std::string_view what, const std::vector<std::string_view>& row,
                 const ColumnLayout& layout, std::string_view file,
                 const std::function<void(std::string_view)>& parse, ReadContext& context) {
  if (column < 0 || row.size() != layout.num_columns) return;
  const std::string_view value = row[column];
  if (is_missing(value)) return;
  try {
    parse(value);
  } catch (const BadLine& bad) {
    context.warn(fmt::format(
        "{}: the column '{}' is not read: found {}, expected {} (--columns {}=NAME names another)",
        file, layout.names[column], bad.found, bad.expected, what));
    column = -1;
  }
}

void check_guesses(TextSource& text, ColumnLayout& layout, ReadContext& context) {
  if (layout.time_sure && layout.rating_sure) return;
  std::vector<std::string_view> row;
  try {
    const std::string line(text.peek_line());
    CsvReader reader(line, layout.separator);
    if (!reader.next(row)) return;
    if (!layout.time_sure)
      check_guess(
          layout.time, "time", row, layout, text.name(),
          [](std::string_view value) { (void)parse_time(value); }, context);
    if (!layout.rating_sure)
      check_guess(
          layout.rating, "rating", row, layout, text.name(),
          [](std::string_view value) { (void)parse_rating(value); }, context);
  } catch (const BadLine&) {  // reading tells it with its line
  }
}

// What was taken from the first log, and what was not, for the report.
void note_columns(const ColumnLayout& layout, Source& source) {
  if (!source.files.empty()) return;
  std::vector<bool> used(layout.names.size());
  const auto note = [&](std::string_view what, int column) {
    if (column < 0) return;
    used[column] = true;
    source.columns.push_back(fmt::format("{}={}", what, layout.names[column]));
  };
  note("user", layout.user);
  note("item", layout.item);
  note("time", layout.time);
  note("rating", layout.rating);
  note("title", layout.title);
  note("earlier items", layout.history);
  for (const int column : layout.where) used[column] = true;
  for (size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) source.unread_columns.push_back(layout.names[i]);
  }
}

}  // namespace

std::string separator_name(std::string_view separator) {
  if (separator == "\t") return "tabs";
  if (separator == " ") return "blanks";
  if (separator == "\x01") return "'\\x01'";
  return fmt::format("'{}'", separator);
}

int find_column(const std::vector<std::string>& names, const std::string& wanted, Role role,
                std::string_view separator, bool required) {
  const std::string_view what = role_name(role);
  std::optional<size_t> at;
  if (!wanted.empty()) {
    at = find_wanted(names, wanted);
    if (!at)
      throw BadLine{listed(names, separator),
                    fmt::format("a column '{}' for the {}", wanted, what)};
    if (!number_of(wanted, names.size())) check_single(names, *at, what);
  } else if (const auto found = find_usual(names, role)) {
    at = found->at;
    check_single(names, *at, what);
  }
  if (at) return static_cast<int>(*at);
  if (!required) return -1;
  throw BadLine{
      listed(names, separator),
      fmt::format("a column for the {} named {}, or --columns {}=NAME or its number, or another "
                  "--separator",
                  what, fmt::join(usual_names(role), ", "), what)};
}

void place_conditions(const RowFilter& filter, std::string_view file, ColumnLayout& layout) {
  layout.where.clear();
  for (const Condition& condition : filter.conditions()) {
    try {
      layout.where.push_back(
          find_column(layout.names, condition.column(), Role::kUser, layout.separator, true));
    } catch (const BadLine& bad) {
      if (bad.found.find("more than once") != std::string::npos)
        throw UsageError("--where {}: {} has the column '{}' more than once, expected its number",
                         condition.text(), file, condition.column());
      throw UsageError("--where {}: found no column '{}' in {}, expected one of: {}",
                       condition.text(), condition.column(), file, fmt::join(layout.names, ", "));
    }
  }
}

std::optional<Row> table_row(const std::vector<std::string_view>& fields,
                             const ColumnLayout& layout, const RowFilter& filter,
                             DroppedRows& dropped) {
  if (fields.size() != layout.num_columns)
    throw BadLine{
        fmt::format("{} column{}", fields.size(), fields.size() == 1 ? "" : "s"),
        fmt::format("{} separated by {}", layout.num_columns, separator_name(layout.separator))};
  const std::string_view user = fields[layout.user], item = fields[layout.item];
  const auto reason = filter.reason(user, item, [&](size_t i) { return fields[layout.where[i]]; });
  if (reason) {
    dropped.drop(*reason);
    return std::nullopt;
  }
  Row row;
  row.user = parse_id(user, "user");
  row.item = parse_id(item, "item");
  if (layout.time >= 0) row.time = parse_time(fields[layout.time]);
  if (layout.rating >= 0) {
    const std::string_view rating = fields[layout.rating];
    if (!is_missing(rating)) row.rating = parse_rating(rating);
  }
  return row;
}

std::vector<std::string> header_fields(std::string_view line, std::string_view separator) {
  check_utf8(line);
  CsvReader reader(line, separator);
  std::vector<std::string_view> fields;
  reader.next(fields);
  std::vector<std::string> names;
  for (const std::string_view field : fields) names.push_back(clean_text(field));
  return names;
}

ColumnLayout layout_of_header(std::vector<std::string> names, std::string separator,
                              const ColumnMap& columns) {
  ColumnLayout layout;
  layout.separator = std::move(separator);
  layout.num_columns = names.size();
  const auto find = [&](const std::string& wanted, Role role, bool required) {
    return find_column(names, wanted, role, layout.separator, required);
  };
  const auto sure = [&](const std::string& wanted, Role role) {
    const auto found = find_usual(names, role);
    return !wanted.empty() || !found || found->sure;
  };
  layout.item = find(columns.item, Role::kItem, true);
  layout.title = find(columns.title, Role::kTitle, false);
  layout.user = find(columns.user, Role::kUser, true);
  layout.time = find(columns.time, Role::kTime, false);
  layout.rating = find(columns.rating, Role::kRating, false);
  layout.time_sure = sure(columns.time, Role::kTime);
  layout.rating_sure = sure(columns.rating, Role::kRating);
  if (const auto history = find_history(names, static_cast<size_t>(layout.item)))
    layout.history = static_cast<int>(*history);
  layout.names = std::move(names);
  return layout;
}

ColumnLayout layout_of_items(std::vector<std::string> names, std::string separator,
                             const ColumnMap& columns) {
  ColumnLayout layout;
  layout.separator = std::move(separator);
  layout.num_columns = names.size();
  // The item's name is that of the interactions; a file of items may have it too, or not.
  const bool same = !columns.item.empty() && find_wanted(names, columns.item);
  layout.item = find_column(names, same ? columns.item : "", Role::kItemId, layout.separator, true);
  layout.title = find_column(names, columns.title, Role::kItemTitle, layout.separator, false);
  layout.names = std::move(names);
  return layout;
}

ColumnLayout take_header(TextSource& text, const std::string& separator, const ColumnMap& columns) {
  try {
    ColumnLayout layout =
        layout_of_header(header_fields(text.peek_line(), separator), separator, columns);
    text.take_line();
    return layout;
  } catch (const BadLine& bad) {
    throw FormatError("{}:1: found {}, expected {}", text.name(), bad.found, bad.expected);
  }
}

void read_table(TextSource& text, ColumnLayout layout, ReadContext& context, Source& source,
                bool quotes) {
  place_conditions(context.filter, text.name(), layout);
  check_guesses(text, layout, context);
  note_columns(layout, source);
  if (layout.history >= 0) return read_histories(text, layout, quotes, context, source);
  if (layout.time < 0) warn_no_time(text.name(), layout.names, context);
  if (layout.title >= 0 || (quotes && text.contains('"')))
    return read_by_record(text, layout, quotes, context, source);
  const RowFilter& filter = context.filter;
  const auto make_parser = [&]() -> LineParser {
    return [&layout, &filter, quotes, fields = std::vector<std::string_view>()](
               std::string_view line, RowSink& sink) mutable {
      const auto take = [&] {
        if (const auto row = table_row(fields, layout, filter, sink.dropped)) sink.add(*row);
      };
      if (quotes && std::memchr(line.data(), '"', line.size())) {
        CsvReader reader(line, layout.separator);
        reader.next(fields);
        take();
      } else {
        split_fields(line, layout.separator, fields);
        take();
      }
    };
  };
  read_log_lines(text, layout.time >= 0, make_parser, context, source);
}

}  // namespace tandem
