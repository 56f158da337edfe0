// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "data/fields.h"
#include "data/importers/table.h"

namespace tandem {

// The records of a table one after the other, as CSV or, in formats that know no quotes, by lines.
class RecordReader {
 public:
  RecordReader(std::string_view text, const ColumnLayout& layout, bool quotes, int64_t line)
      : csv_(text, layout.separator, line),
        left_(text),
        separator_(layout.separator),
        quotes_(quotes),
        line_(line - 1) {}

  // False at the end. Throws BadLine, and goes on with the next line then.
  bool next(std::vector<std::string_view>& fields);
  // Where the last record began.
  int64_t line() const { return quotes_ ? csv_.line() : line_; }
  std::string_view record() const { return quotes_ ? csv_.record() : record_; }

 private:
  CsvReader csv_;
  std::string_view left_, record_;
  std::string separator_;
  bool quotes_;
  int64_t line_;
};

// read(row, its fields) for every row that the filter lets through, record by record on one thread
// from the first line not yet taken; a bad one goes to the context.
using ReadRow = std::function<void(const Row& row, const std::vector<std::string_view>& fields)>;
void for_rows(TextSource& text, const ColumnLayout& layout, bool quotes, ReadContext& context,
              const ReadRow& read);

}  // namespace tandem
