// SPDX-License-Identifier: Apache-2.0
// Item text in tables: id, title, everything else as fields.
#include <algorithm>

#include "core/error.h"
#include "core/plural.h"
#include "data/importers/items.h"
#include "data/importers/log_files.h"
#include "data/importers/separator.h"
#include "data/importers/table.h"

namespace tandem {
namespace {

bool is_reserved(std::string_view name) {
  return name.empty() || name == "item" || name == "item_id" || name == "title";
}

// A .tsv may begin with the first item. A header names a title, and an id or the wanted column.
bool has_header(const std::vector<std::string>& first, const ColumnMap& columns) {
  const std::vector<std::string> names(first.begin(), first.end());
  const auto wanted = [&](const std::string& name) {
    return !name.empty() && std::ranges::find(names, name) != names.end();
  };
  const bool title = wanted(columns.title) || find_usual(names, Role::kItemTitle);
  const bool item = wanted(columns.item) || find_usual(names, Role::kItemId);
  return title && item;
}

// "id TAB title", and what follows is counted.
void read_plain_tsv(TextSource& text, ReadContext& context, ItemCatalogue& items) {
  int64_t further = 0;
  std::vector<std::string_view> fields;
  each_line(text, context, [&](std::string_view line) {
    split_fields(line, "\t", fields);
    if (fields.size() < 2) throw BadLine{excerpt(line) + " without a tab", "item TAB title"};
    further += fields.size() > 2;
    items.add({std::string(parse_id(fields[0], "item")), clean_text(fields[1]), {}});
  });
  if (further > 0)
    context.warn(fmt::format(
        "{}: the second column is the title; what follows it on {} is not read, for no header "
        "names it",
        text.name(), counted(further, "line")));
}

RawItem item_of(const std::vector<std::string_view>& fields, const ColumnLayout& layout) {
  if (fields.size() != layout.num_columns)
    throw BadLine{
        counted(static_cast<int64_t>(fields.size()), "column"),
        fmt::format("{} separated by {}", layout.num_columns, separator_name(layout.separator))};
  for (const std::string_view field : fields) check_utf8(field);
  RawItem item;
  item.id = parse_id(fields[layout.item], "item");
  for (size_t column = 0; column < fields.size(); ++column) {
    if (static_cast<int>(column) == layout.item) continue;
    if (static_cast<int>(column) == layout.title) {
      item.title = clean_text(fields[column]);
    } else if (!is_reserved(layout.names[column])) {
      item.fields.emplace_back(layout.names[column], clean_text(fields[column]));
    }
  }
  return item;
}

}  // namespace

void read_item_table(const fs::path& path, const ColumnMap& columns, ReadContext& context,
                     ItemCatalogue& items) {
  TextSource text(path);
  ColumnLayout layout;
  try {
    const bool tabs =
        plain_name(path).ends_with(".tsv") && text.peek_line().find('\t') != std::string_view::npos;
    const std::string separator =
        tabs ? "\t" : guess_separator(text.sample(), {columns.item, columns.title});
    std::vector<std::string> names = header_fields(text.peek_line(), separator);
    if (plain_name(path).ends_with(".tsv") && !has_header(names, columns)) {
      if (!columns.title.empty())
        throw BadLine{excerpt(text.peek_line()),
                      fmt::format("a header with the column '{}' for the title", columns.title)};
      return read_plain_tsv(text, context, items);
    }
    layout = layout_of_items(std::move(names), separator, columns);
  } catch (const BadLine& bad) {
    throw FormatError("{}:1: found {}, expected {}", text.name(), bad.found, bad.expected);
  }
  text.take_line();
  CsvReader reader(text.rest(), layout.separator, 2);
  std::vector<std::string_view> fields;
  for (bool more = true; more;) {
    try {
      if (!(more = reader.next(fields))) break;
      items.add(item_of(fields, layout));
    } catch (const BadLine& bad) {
      try {
        // Many tables with tabs know no quotes: "Heroes" (1999).
        if (layout.separator != "\t") throw bad;
        split_fields(reader.record(), "\t", fields);
        if (fields.size() != layout.num_columns) throw bad;
        items.add(item_of(fields, layout));
      } catch (const BadLine& same) {
        context.bad_line(text.name(), reader.line(), same);
      }
    }
  }
}

}  // namespace tandem
