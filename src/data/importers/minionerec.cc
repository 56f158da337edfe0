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
#include "data/importers/history_rows.h"
#include "data/importers/importer.h"
#include "data/importers/items.h"
#include "data/importers/log_files.h"
#include "data/importers/record_reader.h"

namespace tandem {
namespace {

class UniquePairs {
 public:
  explicit UniquePairs(InteractionLog& log) : log_(log) {}

  void add(std::string_view user, std::string_view item) {
    const int32_t u = log_.users.add(user), i = log_.items.add(item);
    if (!seen_.insert(static_cast<int64_t>(u) << 32 | i).second) return;
    log_.add(u, i, {}, kNoRating);
  }

 private:
  InteractionLog& log_;
  std::unordered_set<int64_t> seen_;
};

void read_lists(const fs::path& path, ReadContext& context, UniquePairs& pairs) {
  TextSource text(path);
  ColumnLayout layout;
  int history = -1;
  try {
    layout = layout_of_header(header_fields(text.peek_line(), ","), ",", {});
    const auto found = std::find(layout.names.begin(), layout.names.end(), "history_item_id");
    if (found == layout.names.end())
      throw BadLine{excerpt(text.peek_line()), "a column history_item_id"};
    history = static_cast<int>(found - layout.names.begin());
    layout.time = layout.rating = -1;  // the order is that of the lists
  } catch (const BadLine& bad) {
    throw FormatError("{}:1: found {}, expected {}", text.name(), bad.found, bad.expected);
  }
  text.take_line();
  for_rows(text, layout, true, context, [&](const Row& row, const auto& fields) {
    for (const std::string& item : parse_item_list(fields[history])) pairs.add(row.user, item);
    pairs.add(row.user, row.item);
  });
}

}  // namespace

void import_minionerec(const ImportOptions& options, ReadContext& context, Source& source) {
  if (!fs::is_directory(options.input))
    throw DataError("{}: found no folder, expected one with train*, valid* and test*.csv",
                    options.input.string());
  refuse_columns(options, "the names of its columns are fixed");
  std::vector<fs::path> files;
  for (const fs::path& file : files_ending(options.input, ".csv")) {
    const std::string name = plain_name(file);
    if (name.starts_with("train") || name.starts_with("valid") || name.starts_with("test"))
      files.push_back(file);
  }
  UniquePairs pairs(source.log);
  for (const fs::path& file :
       one_log(options.input, files, "no train*.csv, valid*.csv or test*.csv, expected one")) {
    source.begin_log(file.string(), false);
    read_lists(file, context, pairs);
  }
  if (options.meta) return read_item_map(*options.meta, context, source.items);
  for (const fs::path& file : files_ending(options.input, ".item.json"))
    read_item_map(file, context, source.items);
}

}  // namespace tandem
