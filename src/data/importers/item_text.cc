// SPDX-License-Identifier: Apache-2.0
// Item text in lines: JSON, Python literals, id TAB title.
#include <algorithm>

#include "core/error.h"
#include "data/importers/importer.h"
#include "data/json_line.h"
#include "data/python_literal.h"

namespace tandem {
namespace {

// Of a line that is neither, the complaint is about JSON, unless it looks like a Python dict.
Json parse_item_line(std::string_view line) {
  Json value = Json::parse(line, nullptr, false);
  if (value.is_discarded()) {
    if (line.find('\'') == std::string_view::npos) throw BadLine{excerpt(line), "a JSON object"};
    value = parse_python_literal(line);
  }
  if (!value.is_object()) throw BadLine{excerpt(line), "an object"};
  return value;
}

// Nesting is bounded before the recursive parser sees the line.
void check_depth(std::string_view line) {
  int depth = 0, deepest = 0;
  for (const char c : line) {
    if (c == '[' || c == '{') deepest = std::max(deepest, ++depth);
    if (c == ']' || c == '}') --depth;
  }
  if (deepest > 1000)
    throw BadLine{fmt::format("brackets nested {} deep", deepest), "at most 1000"};
}

std::string first_present(const Json& value, const std::string& wanted,
                          const std::vector<std::string_view>& usual) {
  if (!wanted.empty() && value.contains(wanted)) return wanted;
  for (const std::string_view name : usual) {
    if (value.contains(name)) return std::string(name);
  }
  return "";
}

// Pictures, links between products and tables are no text.
bool is_text_field(std::string_view key) {
  static const std::vector<std::string_view> kOther = {"item",
                                                       "item_id",
                                                       "title",
                                                       "asin",
                                                       "parent_asin",
                                                       "imUrl",
                                                       "image",
                                                       "images",
                                                       "imageURL",
                                                       "imageURLHighRes",
                                                       "videos",
                                                       "related",
                                                       "also_buy",
                                                       "also_view",
                                                       "similar_item",
                                                       "tech1",
                                                       "tech2",
                                                       "details",
                                                       "bought_together",
                                                       "salesRank",
                                                       "rank",
                                                       "fit",
                                                       "date"};
  return std::find(kOther.begin(), kOther.end(), key) == kOther.end();
}

RawItem item_of(const Json& value, const ColumnMap& columns) {
  const std::string id = first_present(value, columns.item, item_names());
  if (id.empty())
    throw BadLine{"no item id", fmt::format("a key {}", fmt::join(item_names(), ", "))};
  RawItem item;
  item.id = parse_id(text_of(value[id], " "), "item");
  const std::string title = first_present(value, columns.title, title_names());
  if (!title.empty()) item.title = clean_text(text_of(value[title], " "));
  for (const auto& [key, field] : value.items()) {
    if (key == id || key == title || !is_text_field(key)) continue;
    std::string text = clean_text(text_of(field, key == "description" ? " " : ", "));
    if (!text.empty()) item.fields.emplace_back(clean_text(key), std::move(text));
  }
  return item;
}

// read(line) for each line that is not empty.
template <typename Read>
void each_line(const fs::path& path, ReadContext& context, Read read) {
  TextSource text(path);
  int64_t number = 0;
  for (std::string_view block; text.next(block);) {
    while (!block.empty()) {
      const size_t size = std::min(block.find('\n'), block.size());
      std::string_view line = block.substr(0, size);
      block.remove_prefix(std::min(size + 1, block.size()));
      ++number;
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty()) continue;
      try {
        check_utf8(line);
        read(line);
      } catch (const BadLine& bad) {
        context.bad_line(text.name(), number, bad);
      }
    }
  }
}

}  // namespace

void read_item_lines(const fs::path& path, const ColumnMap& columns, ReadContext& context,
                     ItemCatalogue& items) {
  each_line(path, context, [&](std::string_view line) {
    check_depth(line);
    items.add(item_of(parse_item_line(line), columns));
  });
}

void read_item_map(const fs::path& path, ReadContext& context, ItemCatalogue& items) {
  TextSource text(path);
  const std::string_view all = text.rest();
  try {
    check_utf8(all);
    check_depth(all);
    const Json map = Json::parse(all, nullptr, false);
    if (!map.is_object()) throw BadLine{excerpt(all), "one JSON object, item id to fields"};
    for (const auto& [id, value] : map.items()) {
      if (!value.is_object()) throw BadLine{excerpt(value.dump()), "an object of item " + id};
      Json item = value;
      item["item_id"] = id;
      items.add(item_of(item, {}));
    }
  } catch (const BadLine& bad) {
    context.bad_line(text.name(), 1, bad);
  }
}

void read_titles_tsv(const fs::path& path, ReadContext& context, ItemCatalogue& items) {
  each_line(path, context, [&](std::string_view line) {
    const size_t tab = line.find('\t');
    if (tab == std::string_view::npos)
      throw BadLine{excerpt(line) + " without a tab", "item TAB title"};
    items.add(
        {std::string(parse_id(line.substr(0, tab), "item")), clean_text(line.substr(tab + 1)), {}});
  });
}

std::vector<std::string> read_item_ids(const fs::path& path) {
  if (!fs::is_regular_file(path)) throw IoError("{}: no such file (--drop-items)", path.string());
  ReadContext context;
  IdTable ids;
  each_line(path, context, [&](std::string_view line) {
    if (!trimmed(line).empty()) ids.add(parse_id(line, "item"));
  });
  return {ids.ids().begin(), ids.ids().end()};
}

void read_items(const fs::path& path, const ColumnMap& columns, ReadContext& context,
                ItemCatalogue& items) {
  const std::string name = plain_name(path);
  if (name.ends_with(".csv")) return read_item_csv(path, columns, context, items);
  if (name.ends_with(".tsv")) return read_titles_tsv(path, context, items);
  read_item_lines(path, columns, context, items);
}

}  // namespace tandem
