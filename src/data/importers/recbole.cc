// SPDX-License-Identifier: Apache-2.0
// RecBole's atomic files: tab-separated, a header of "name:type" fields; .inter holds interactions,
// .item item text.
#include <algorithm>

#include "core/error.h"
#include "data/importers/importer.h"
#include "data/importers/log_files.h"

namespace tandem {
namespace {

struct TypedHeader {
  std::vector<std::string> names;
  std::string separator = "\t";
};

bool is_typed(std::string_view field) {
  const size_t colon = field.rfind(':');
  const std::string_view type = colon == std::string_view::npos ? "" : field.substr(colon + 1);
  return type == "token" || type == "token_seq" || type == "float" || type == "float_seq";
}

// The names without their types; a field that has none is refused. RecBole can be told another
// separator than the tab: it is the one that leaves every field with one type. Lists separate their
// entries with blanks.
TypedHeader typed_header(TextSource& text, ReadContext& context) {
  try {
    const std::string_view line = text.peek_line();
    check_utf8(line);
    TypedHeader header;
    std::vector<std::string_view> fields;
    const bool lists = line.find("_seq") != std::string_view::npos;
    const auto separates = [&](std::string_view separator) {
      split_fields(line, separator, fields);
      return fields.size() > 1 && std::ranges::all_of(fields, [](std::string_view field) {
               return is_typed(trimmed(field)) && std::count(field.begin(), field.end(), ':') == 1;
             });
    };
    split_fields(line, "\t", fields);
    if (fields.size() == 1) {
      for (const char* separator : {",", ";", "|", " "}) {
        if ((separator == std::string_view(" ") && lists) || !separates(separator)) continue;
        header.separator = separator;
        break;
      }
      split_fields(line, header.separator, fields);
    }
    for (const std::string_view field : fields) {
      const bool several = fields.size() == 1 && std::count(field.begin(), field.end(), ':') > 1;
      if (several || !is_typed(trimmed(field)))
        throw BadLine{
            "header field " + excerpt(field),
            "name:type with type token, token_seq, float or float_seq, separated by tabs"};
      header.names.emplace_back(trimmed(field.substr(0, field.rfind(':'))));
    }
    if (header.separator != "\t")
      context.warn(fmt::format("{}: columns are separated by {}, where atomic files have tabs",
                               text.name(), separator_name(header.separator)));
    text.take_line();
    return header;
  } catch (const BadLine& bad) {
    throw FormatError("{}:1: found {}, expected {}", text.name(), bad.found, bad.expected);
  }
}

void read_item_file(const fs::path& path, const ColumnMap& columns, ReadContext& context,
                    ItemCatalogue& items) {
  context.item_files.push_back(path.string());
  TextSource text(path);
  ColumnLayout layout;
  try {
    const TypedHeader header = typed_header(text, context);
    layout = layout_of_items(header.names, header.separator, columns);
  } catch (const BadLine& bad) {
    throw FormatError("{}:1: found {}, expected {}", text.name(), bad.found, bad.expected);
  }
  const std::vector<std::string>& names = layout.names;
  std::vector<std::string_view> fields;
  each_line(text, context, [&](std::string_view line) {
    split_fields(line, layout.separator, fields);
    if (fields.size() != names.size())
      throw BadLine{
          fmt::format("{} columns", fields.size()),
          fmt::format("{} separated by {}", names.size(), separator_name(layout.separator))};
    RawItem item;
    item.id = parse_id(fields[layout.item], "item");
    for (size_t column = 0; column < fields.size(); ++column) {
      if (static_cast<int>(column) == layout.item) continue;
      if (static_cast<int>(column) == layout.title) {
        item.title = clean_text(fields[column]);
      } else {
        item.fields.emplace_back(names[column], clean_text(fields[column]));
      }
    }
    items.add(std::move(item));
  });
}

// NAME.item beside NAME.inter, or beside NAME.train.inter; or --meta.
fs::path items_of(const ImportOptions& options, const fs::path& log) {
  if (options.meta) {
    if (!fs::exists(*options.meta))
      throw IoError("{}: no such file (--meta)", options.meta->string());
    return *options.meta;
  }
  const std::string name = plain_name(log);
  std::string stem = name.substr(0, name.rfind('.'));
  for (;;) {
    const fs::path path = find_in_folder(log.parent_path(), {stem + ".item"});
    if (!path.empty() || !is_split_name(stem)) return path;
    stem = stem.substr(0, stem.rfind('.'));
  }
}

// Titles of the log's own are those of the wanted column, or where there is no file of items.
bool read_log(const fs::path& path, const ColumnMap& columns, bool with_items, ReadContext& context,
              Source& source) {
  TextSource text(path);
  const TypedHeader header = typed_header(text, context);
  ColumnMap here = columns;
  const bool own_title = std::ranges::find(header.names, here.title) != header.names.end();
  if (with_items && !own_title) here.title = "";
  ColumnLayout layout;
  try {
    layout = layout_of_header(header.names, header.separator, here);
  } catch (const BadLine& bad) {
    throw FormatError("{}:1: found {}, expected {}", text.name(), bad.found, bad.expected);
  }
  if (with_items && !own_title) layout.title = -1;
  read_table(text, layout, context, source, false);
  return own_title;
}

}  // namespace

void import_recbole(const ImportOptions& options, ReadContext& context, Source& source) {
  const std::vector<fs::path> logs = input_logs(options, {}, files_ending(options.input, ".inter"));
  const fs::path items = items_of(options, logs[0]);
  bool own_titles = true;
  for (const fs::path& log : logs)
    own_titles &= read_log(log, options.columns, !items.empty(), context, source);
  if (items.empty()) return;
  ColumnMap columns = options.columns;
  if (own_titles) columns.title = "";
  read_item_file(items, columns, context, source.items);
}

}  // namespace tandem
