// SPDX-License-Identifier: Apache-2.0
// The line parsers of the importers: CSV records, separated fields, numbers, JSON lines, Python
// literals. The first byte chooses the parser; each must give values or BadLine, and CSV must move
// on after a bad record.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "data/fields.h"
#include "data/json_line.h"
#include "data/python_literal.h"

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

void read_one(uint8_t which, std::string_view text) {
  std::vector<std::string_view> fields;
  static JsonLine json;
  switch (which % 5) {
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
      (void)parse_time(text);
      (void)parse_rating(text);
      return;
    case 3:
      json.parse(text);
      (void)json.keys();
      (void)json.text("user");
      (void)json.whole("timestamp");
      (void)json.real("rating");
      return;
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
