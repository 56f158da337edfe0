// SPDX-License-Identifier: Apache-2.0
// MiniOneRec's Amazon sets: CSV files named train*, valid*, test*, whose rows are a user, the list
// of the user's (at most ten) items before, and the next item; and NAME.item.json with the items'
// text. There are no timestamps. Rows of one user overlap: an item that the user already has is
// passed over, so that what is left is each user's items in the order in which they are first
// named.
#include <algorithm>
#include <cstdint>
#include <unordered_set>

#include "core/error.h"
#include "data/importers/importer.h"
#include "data/python_literal.h"

namespace tandem {
namespace {

class UniquePairs {
 public:
  explicit UniquePairs(InteractionLog& log) : log_(log) {}

  void add(std::string_view user, std::string_view item) {
    const int32_t u = log_.users.add(user), i = log_.items.add(item);
    if (!seen_.insert(static_cast<int64_t>(u) << 32 | i).second) return;
    log_.user.push_back(u);
    log_.item.push_back(i);
    log_.time.push_back(0);
    log_.rating.push_back(kNoRating);
  }

 private:
  InteractionLog& log_;
  std::unordered_set<int64_t> seen_;
};

void read_histories(const fs::path& path, ReadContext& context, UniquePairs& pairs) {
  TextSource text(path);
  ColumnLayout layout;
  int history = -1;
  try {
    layout = layout_of_header(header_fields(text.peek_line(), ","), ",", {});
    const auto found = std::find(layout.names.begin(), layout.names.end(), "history_item_id");
    if (found == layout.names.end())
      throw BadLine{excerpt(text.peek_line()), "a column history_item_id"};
    history = static_cast<int>(found - layout.names.begin());
  } catch (const BadLine& bad) {
    throw FormatError("{}:1: found {}, expected {}", text.name(), bad.found, bad.expected);
  }
  text.take_line();
  DroppedRows dropped;
  CsvReader reader(text.rest(), ",", 2);
  std::vector<std::string_view> fields;
  for (bool more = true; more;) {
    try {
      if (!(more = reader.next(fields))) break;
      for (const std::string_view field : fields) check_utf8(field);
      dropped.at(reader.line(), reader.record());
      const auto row = table_row(fields, layout, context.filter, dropped);
      if (!row) continue;
      const std::string_view list = fields[static_cast<size_t>(history)];
      const Json before = parse_python_literal(list);
      if (!before.is_array()) throw BadLine{excerpt(list), "a list of item ids"};
      std::vector<std::string> items;
      for (const Json& item : before) {
        if (!item.is_string() && !item.is_number_integer())
          throw BadLine{excerpt(item.dump()), "an item id"};
        items.emplace_back(
            parse_id(item.is_string() ? item.get<std::string>() : item.dump(), "history_item_id"));
      }
      for (const std::string& item : items) pairs.add(row->user, item);
      pairs.add(row->user, row->item);
    } catch (const BadLine& bad) {
      context.bad_line(text.name(), reader.line(), bad);
    }
  }
  context.dropped.append(dropped, text.name(), 0);
}

}  // namespace

void import_minionerec(const ImportOptions& options, ReadContext& context, Source& source) {
  if (!fs::is_directory(options.input))
    throw DataError("{}: found no folder, expected one with train*, valid* and test*.csv",
                    options.input.string());
  source.has_time = false;
  UniquePairs pairs(source.log);
  int found = 0;
  for (const char* split : {"train", "valid", "test"}) {
    for (const fs::path& file : files_ending(options.input, ".csv")) {
      if (!plain_name(file).starts_with(split)) continue;
      read_histories(file, context, pairs);
      ++found;
    }
  }
  if (found == 0)
    throw DataError("{}: found no train*.csv, valid*.csv or test*.csv", options.input.string());
  for (const fs::path& file : files_ending(options.input, ".item.json"))
    read_item_map(options.meta.value_or(file), context, source.items);
}

}  // namespace tandem
