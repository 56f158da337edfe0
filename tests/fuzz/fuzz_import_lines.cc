// SPDX-License-Identifier: Apache-2.0
// The line parsers of the importers: CSV records, separated fields, numbers, dates, JSON lines, Python
// literals, lists of items, and what tells separators and joins overlapping rows. The first byte chooses the parser; each must give values or BadLine, and CSV must move
// on after a bad record.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "data/fields.h"
#include "data/importers/history_rows.h"
#include "data/importers/joined_history.h"
#include "data/importers/separator.h"
#include "data/importers/table.h"
#include "data/json_line.h"
#include "data/python_literal.h"
#include "data/time_text.h"

namespace tandem {
namespace {

void read_csv(std::string_view text) {
  CsvReader reader(text, ",");
  std::vector<std::string_view> fields;
  // Each call consumes at least one byte.
  for (size_t calls = 0;; ++calls) {
    if (calls > text.size() + 1) std::abort();
    try {
      if (!reader.next(fields)) return;
    } catch (const BadLine&) {
    }
  }
}

// Rows end with a line end; each byte is an item.
void join_rows(std::string_view text) {
  JoinedHistory history;
  TimeColumn times;
  std::vector<std::string_view> rows;
  split_fields(text, "\n", rows);
  size_t listed = 0;
  for (const std::string_view row : rows) {
    if (row.empty()) continue;
    std::vector<int32_t> before(row.begin(), row.end() - 1);
    times.push_back({.whole = static_cast<int64_t>(row.size() % 3)});
    history.add(before, {.item = row.back(), .own = true, .row = std::ssize(times.whole) - 1},
                times);
    listed += row.size();
  }
  // Every item has a place, and no row adds more than it has.
  if (history.entries().size() > listed || (listed > 0 && history.entries().empty())) std::abort();
  for (const JoinedHistory::Entry& entry : history.entries()) {
    if (entry.row < 0 || entry.row >= std::ssize(times.whole)) std::abort();
  }
}

void read_one(uint8_t which, std::string_view text) {
  std::vector<std::string_view> fields;
  static JsonLine json;
  switch (which % 8) {
    case 0:
      return read_csv(text);
    case 1:
      split_fields(text, "::", fields);
      split_fields(text, "\t", fields);
      for (const std::string_view field : fields) (void)parse_id(field, "item");
      return;
    case 2:
      check_utf8(text);
      (void)clean_text(latin1_to_utf8(text));
      if (const ExactTime time = parse_time(text); time.fraction >= kFractionOne) std::abort();
      (void)parse_rating(text);
      return;
    case 3:
      json.parse(text);
      (void)json.keys();
      (void)json.text("user");
      (void)json.time("timestamp");
      (void)json.real("rating");
      return;
    case 5:
      (void)guess_separator(text, {"user"});
      for (const char* separator : {"\t", "::", " "}) {
        for (const std::string& name : header_fields(text, separator)) (void)is_usual_name(name);
      }
      return;
    case 6:
      for (const std::string& item : parse_item_list(text)) (void)parse_id(item, "item");
      return;
    case 7:
      return join_rows(text);
    default:
      (void)text_of(parse_python_literal(text), ", ");
  }
}

}  // namespace
}  // namespace tandem

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  try {
    tandem::read_one(data[0], {reinterpret_cast<const char*>(data + 1), size - 1});
  } catch (const tandem::BadLine& bad) {
    (void)tandem::excerpt(bad.found);
  }
  return 0;
}
