// SPDX-License-Identifier: Apache-2.0
// Item text in lines: JSON, Python literals, id TAB title.
#include <algorithm>

#include "core/error.h"
#include "data/importers/column_names.h"
#include "data/importers/items.h"
#include "data/importers/log_files.h"
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

// The key that holds the role, or "".
std::string key_of(const Json& value, const std::string& wanted, Role role) {
  if (!wanted.empty() && value.contains(wanted)) return wanted;
  std::vector<std::string> keys;
  for (const auto& [key, field] : value.items()) keys.push_back(key);
  const auto found = find_usual(keys, role);
  return found ? keys[found->at] : "";
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
  const std::string id = key_of(value, columns.item, Role::kItemId);
  if (id.empty())
    throw BadLine{"no item id", fmt::format("a key {}", fmt::join(usual_names(Role::kItem), ", "))};
  RawItem item;
  item.id = parse_id(text_of(value[id], " "), "item");
  const std::string title = key_of(value, columns.title, Role::kItemTitle);
  if (!title.empty()) item.title = clean_text(text_of(value[title], " "));
  for (const auto& [key, field] : value.items()) {
    if (key == id || key == title || !is_text_field(key)) continue;
    std::string text = clean_text(text_of(field, key == "description" ? " " : ", "));
    if (!text.empty()) item.fields.emplace_back(clean_text(key), std::move(text));
  }
  return item;
}

}  // namespace

void read_item_lines(const fs::path& path, const ColumnMap& columns, ReadContext& context,
                     ItemCatalogue& items) {
  bool titled = columns.title.empty();
  TextSource text(path);
  each_line(text, context, [&](std::string_view line) {
    check_depth(line);
    const Json value = parse_item_line(line);
    titled |= value.contains(columns.title);
    items.add(item_of(value, columns));
  });
  if (!titled)
    throw FormatError("{}: found no line with the key '{}', expected it for the title (--columns)",
                      path.string(), columns.title);
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

std::vector<std::string> read_item_ids(const fs::path& path) {
  if (!fs::is_regular_file(path)) throw IoError("{}: no such file (--drop-items)", path.string());
  ReadContext context;
  IdTable ids;
  TextSource text(path);
  each_line(text, context, [&](std::string_view line) {
    if (!trimmed(line).empty()) ids.add(parse_id(line, "item"));
  });
  return {ids.ids().begin(), ids.ids().end()};
}

void read_items(const fs::path& path, const ColumnMap& columns, ReadContext& context,
                ItemCatalogue& items) {
  context.item_files.push_back(path.string());
  const std::string name = plain_name(path);
  const bool table = name.ends_with(".csv") || name.ends_with(".tsv");
  if (!table && (name.ends_with(".json") || name.ends_with(".jsonl") ||
                 trimmed(TextSource(path).peek_line()).starts_with('{')))
    return read_item_lines(path, columns, context, items);
  read_item_table(path, columns, context, items);
}

}  // namespace tandem
