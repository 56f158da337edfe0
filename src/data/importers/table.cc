// SPDX-License-Identifier: Apache-2.0
// Separated-value tables: what the movielens, csv, recbole, amazon and hllm importers share.
#include <algorithm>
#include <charconv>
#include <cstring>

#include "core/error.h"
#include "data/importers/importer.h"

namespace tandem {
namespace {

std::string separator_name(std::string_view separator) {
  return separator == "\t" ? "tabs" : fmt::format("'{}'", separator);
}

// A column given by name or by number from 1, else the first usual name that is there.
int find_column(const std::vector<std::string>& names, const std::string& wanted,
                const std::vector<std::string_view>& usual, std::string_view what, bool required) {
  const auto position = [&](std::string_view name) {
    const auto found = std::find(names.begin(), names.end(), name);
    return found == names.end() ? -1 : static_cast<int>(found - names.begin());
  };
  if (!wanted.empty()) {
    if (const int at = position(wanted); at >= 0) return at;
    size_t number = 0;
    const auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), number);
    if (error == std::errc() && end == wanted.data() + wanted.size() && number >= 1 &&
        number <= names.size())
      return static_cast<int>(number) - 1;
    throw BadLine{fmt::format("columns {}", excerpt(fmt::format("{}", fmt::join(names, ", ")))),
                  fmt::format("a column '{}' for the {}", wanted, what)};
  }
  for (const std::string_view name : usual) {
    if (const int at = position(name); at >= 0) return at;
  }
  if (!required) return -1;
  throw BadLine{fmt::format("columns {}", excerpt(fmt::format("{}", fmt::join(names, ", ")))),
                fmt::format("a column for the {} named {}, or --columns {}=NAME", what,
                            fmt::join(usual.begin(), usual.end(), ", "), what)};
}

// Record by record on one thread: quotes may hold line ends, and the first title of an item is the
// one that counts.
void read_quoted_table(TextSource& text, const ColumnLayout& layout, ReadContext& context,
                       Source& source) {
  InteractionLog& log = source.log;
  DroppedRows dropped;
  const int64_t first_line = text.line() + 1;
  CsvReader reader(text.rest(), layout.separator, first_line);
  std::vector<std::string_view> fields;
  for (bool more = true; more;) {
    try {
      if (!(more = reader.next(fields))) break;
      for (const std::string_view field : fields) check_utf8(field);
      dropped.at(reader.line(), reader.record());
      const auto row = table_row(fields, layout, context.filter, dropped);
      if (!row) continue;
      log.user.push_back(log.users.add(row->user));
      log.item.push_back(log.items.add(row->item));
      log.time.push_back(row->time);
      log.rating.push_back(row->rating);
      if (layout.title >= 0)
        source.items.add(
            {std::string(row->item), clean_text(fields[static_cast<size_t>(layout.title)]), {}});
    } catch (const BadLine& bad) {
      context.bad_line(text.name(), reader.line(), bad);
    }
  }
  context.dropped.append(dropped, text.name(), 0);
}

bool is_reserved(std::string_view name) {
  return name.empty() || name == "item" || name == "item_id" || name == "title";
}

}  // namespace

const std::vector<std::string_view>& user_names() {
  static const std::vector<std::string_view> names = {
      "user", "user_id", "userId", "userID", "uid", "reviewerID", "customer_id", "session_id"};
  return names;
}
const std::vector<std::string_view>& item_names() {
  static const std::vector<std::string_view> names = {
      "item", "item_id", "itemId",   "itemID",  "iid",       "parent_asin",
      "asin", "movieId", "movie_id", "book_id", "product_id"};
  return names;
}
const std::vector<std::string_view>& time_names() {
  static const std::vector<std::string_view> names = {"timestamp", "time", "unixReviewTime", "ts",
                                                      "unix_time"};
  return names;
}
const std::vector<std::string_view>& rating_names() {
  static const std::vector<std::string_view> names = {"rating", "overall", "score", "stars"};
  return names;
}
const std::vector<std::string_view>& title_names() {
  static const std::vector<std::string_view> names = {"title", "item_title", "name", "item_name",
                                                      "movie_title"};
  return names;
}

void place_conditions(const RowFilter& filter, std::string_view file, ColumnLayout& layout) {
  layout.where.clear();
  for (const Condition& condition : filter.conditions()) {
    try {
      layout.where.push_back(find_column(layout.names, condition.column(), {}, "", true));
    } catch (const BadLine&) {
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
  const std::string_view user = fields[static_cast<size_t>(layout.user)],
                         item = fields[static_cast<size_t>(layout.item)];
  const auto reason = filter.reason(
      user, item, [&](size_t i) { return fields[static_cast<size_t>(layout.where[i])]; });
  if (reason) {
    dropped.drop(*reason);
    return std::nullopt;
  }
  Row row;
  row.user = parse_id(user, "user");
  row.item = parse_id(item, "item");
  if (layout.time >= 0) row.time = parse_time(fields[static_cast<size_t>(layout.time)]);
  if (layout.rating >= 0) row.rating = parse_rating(fields[static_cast<size_t>(layout.rating)]);
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
                              const ColumnMap& columns, bool items_only) {
  ColumnLayout layout;
  layout.separator = std::move(separator);
  layout.num_columns = names.size();
  // The columns are those of the interactions; a file of items may have them too, or not.
  const auto known = [&](const std::string& name) {
    return !items_only || std::find(names.begin(), names.end(), name) != names.end()
               ? name
               : std::string();
  };
  layout.item = find_column(names, known(columns.item), item_names(), "item", true);
  layout.title = find_column(names, known(columns.title), title_names(), "title", false);
  if (!items_only) {
    layout.user = find_column(names, columns.user, user_names(), "user", true);
    layout.time = find_column(names, columns.time, time_names(), "time", false);
    layout.rating = find_column(names, columns.rating, rating_names(), "rating", false);
  }
  layout.names = std::move(names);
  return layout;
}

void read_table(TextSource& text, ColumnLayout layout, ReadContext& context, Source& source) {
  place_conditions(context.filter, text.name(), layout);
  source.has_time = layout.time >= 0;
  if (layout.title >= 0 || text.contains('"'))
    return read_quoted_table(text, layout, context, source);
  const RowFilter& filter = context.filter;
  const auto make_parser = [&]() -> LineParser {
    return [&layout, &filter, fields = std::vector<std::string_view>()](std::string_view line,
                                                                        RowSink& sink) mutable {
      const auto take = [&] {
        if (const auto row = table_row(fields, layout, filter, sink.dropped)) sink.add(*row);
      };
      if (std::memchr(line.data(), '"', line.size())) {
        CsvReader reader(line, layout.separator);
        reader.next(fields);
        take();
      } else {
        split_fields(line, layout.separator, fields);
        take();
      }
    };
  };
  read_rows(text, make_parser, source.log, context);
}

void read_item_csv(const fs::path& path, const ColumnMap& columns, ReadContext& context,
                   ItemCatalogue& items) {
  TextSource text(path);
  ColumnLayout layout;
  try {
    const std::string header(text.peek_line());
    const std::string separator =
        header.find('\t') != std::string::npos                                           ? "\t"
        : header.find(',') == std::string::npos && header.find(';') != std::string::npos ? ";"
                                                                                         : ",";
    layout = layout_of_header(header_fields(header, separator), separator, columns, true);
  } catch (const BadLine& bad) {
    throw FormatError("{}:1: found {}, expected {}", text.name(), bad.found, bad.expected);
  }
  text.take_line();
  CsvReader reader(text.rest(), layout.separator, 2);
  std::vector<std::string_view> fields;
  for (bool more = true; more;) {
    try {
      if (!(more = reader.next(fields))) break;
      if (fields.size() != layout.num_columns)
        throw BadLine{fmt::format("{} columns", fields.size()),
                      fmt::format("{} separated by {}", layout.num_columns,
                                  separator_name(layout.separator))};
      for (const std::string_view field : fields) check_utf8(field);
      RawItem item;
      item.id = parse_id(fields[static_cast<size_t>(layout.item)], "item");
      for (size_t column = 0; column < fields.size(); ++column) {
        if (static_cast<int>(column) == layout.item) continue;
        if (static_cast<int>(column) == layout.title) {
          item.title = clean_text(fields[column]);
        } else if (!is_reserved(layout.names[column])) {
          item.fields.emplace_back(layout.names[column], clean_text(fields[column]));
        }
      }
      items.add(std::move(item));
    } catch (const BadLine& bad) {
      context.bad_line(text.name(), reader.line(), bad);
    }
  }
}

}  // namespace tandem
