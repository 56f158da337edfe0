// SPDX-License-Identifier: Apache-2.0
// RecBole's atomic files: tab-separated, a header of "name:type" fields; .inter holds interactions,
// .item item text.
#include <algorithm>

#include "core/error.h"
#include "data/importers/importer.h"

namespace tandem {
namespace {

// The names without their types; a field that has none is refused.
std::vector<std::string> typed_header(TextSource& text) {
  std::vector<std::string_view> fields;
  try {
    check_utf8(text.peek_line());
    split_fields(text.peek_line(), "\t", fields);
    std::vector<std::string> names;
    for (const std::string_view field : fields) {
      const size_t colon = field.rfind(':');
      const std::string_view type = colon == std::string_view::npos ? "" : field.substr(colon + 1);
      if (type != "token" && type != "token_seq" && type != "float" && type != "float_seq")
        throw BadLine{
            "header field " + excerpt(field),
            "name:type with type token, token_seq, float or float_seq, separated by tabs"};
      names.emplace_back(field.substr(0, colon));
    }
    text.take_line();
    return names;
  } catch (const BadLine& bad) {
    throw FormatError("{}:1: found {}, expected {}", text.name(), bad.found, bad.expected);
  }
}

void read_item_file(const fs::path& path, ReadContext& context, ItemCatalogue& items) {
  TextSource text(path);
  const std::vector<std::string> names = typed_header(text);
  ColumnLayout layout;
  try {
    layout = layout_of_header(names, "\t", {}, true);
  } catch (const BadLine& bad) {
    throw FormatError("{}:1: found {}, expected {}", text.name(), bad.found, bad.expected);
  }
  int64_t line = text.line();
  std::vector<std::string_view> fields;
  for (std::string_view left = text.rest(); !left.empty();) {
    const size_t size = std::min(left.find('\n'), left.size());
    std::string_view one = left.substr(0, size);
    left.remove_prefix(std::min(size + 1, left.size()));
    ++line;
    if (one.ends_with('\r')) one.remove_suffix(1);
    if (one.empty()) continue;
    try {
      check_utf8(one);
      split_fields(one, "\t", fields);
      if (fields.size() != names.size())
        throw BadLine{fmt::format("{} columns", fields.size()),
                      fmt::format("{} separated by tabs", names.size())};
      RawItem item;
      item.id = parse_id(fields[static_cast<size_t>(layout.item)], "item");
      for (size_t column = 0; column < fields.size(); ++column) {
        if (static_cast<int>(column) == layout.item) continue;
        if (static_cast<int>(column) == layout.title) {
          item.title = clean_text(fields[column]);
        } else {
          item.fields.emplace_back(names[column], clean_text(fields[column]));
        }
      }
      items.add(std::move(item));
    } catch (const BadLine& bad) {
      context.bad_line(text.name(), line, bad);
    }
  }
}

}  // namespace

void import_recbole(const ImportOptions& options, ReadContext& context, Source& source) {
  fs::path path = options.input;
  if (!fs::exists(path)) throw IoError("{}: no such file or folder", path.string());
  if (fs::is_directory(path)) {
    const std::vector<fs::path> files = files_ending(path, ".inter");
    if (files.size() != 1)
      throw DataError("{}: found {} .inter files, expected one; name it with --input",
                      path.string(), files.size());
    path = files[0];
  }
  TextSource text(path);
  ColumnLayout layout;
  try {
    layout = layout_of_header(typed_header(text), "\t", options.columns);
  } catch (const BadLine& bad) {
    throw FormatError("{}:1: found {}, expected {}", text.name(), bad.found, bad.expected);
  }
  layout.title = -1;
  source.has_time = layout.time >= 0;
  place_conditions(context.filter, text.name(), layout);
  // RecBole knows no quotes.
  const RowFilter& filter = context.filter;
  const auto make_parser = [&]() -> LineParser {
    return [&layout, &filter, fields = std::vector<std::string_view>()](std::string_view line,
                                                                        RowSink& sink) mutable {
      split_fields(line, "\t", fields);
      if (const auto row = table_row(fields, layout, filter, sink.dropped)) sink.add(*row);
    };
  };
  read_rows(text, make_parser, source.log, context);
  const fs::path items = options.meta ? *options.meta : fs::path(path).replace_extension(".item");
  if (fs::exists(items)) {
    read_item_file(items, context, source.items);
  } else if (options.meta) {
    throw IoError("{}: no such file (--meta)", items.string());
  }
}

}  // namespace tandem
