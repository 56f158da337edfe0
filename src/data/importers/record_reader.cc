// SPDX-License-Identifier: Apache-2.0
#include "data/importers/record_reader.h"

namespace tandem {

bool RecordReader::next(std::vector<std::string_view>& fields) {
  if (quotes_) return csv_.next(fields);
  while (!left_.empty()) {
    record_ = cut_line(left_);
    ++line_;
    if (record_.empty()) continue;
    split_fields(record_, separator_, fields);
    return true;
  }
  return false;
}

void for_rows(TextSource& text, const ColumnLayout& layout, bool quotes, ReadContext& context,
              const ReadRow& read) {
  DroppedRows dropped;
  const int64_t first_line = text.line() + 1;
  RecordReader reader(text.rest(), layout, quotes, first_line);
  std::vector<std::string_view> fields;
  for (bool more = true; more;) {
    try {
      if (!(more = reader.next(fields))) break;
      for (const std::string_view field : fields) check_utf8(field);
      dropped.at(reader.line(), reader.record());
      if (const auto row = table_row(fields, layout, context.filter, dropped)) read(*row, fields);
    } catch (const BadLine& bad) {
      context.bad_line(text.name(), reader.line(), bad);
    }
  }
  context.dropped.append(dropped, text.name(), 0);
}

}  // namespace tandem
