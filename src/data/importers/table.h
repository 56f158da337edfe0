// SPDX-License-Identifier: Apache-2.0
// Separated-value tables: what the movielens, csv, recbole, amazon and hllm importers share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/import.h"
#include "data/importers/column_names.h"
#include "data/importers/source.h"

namespace tandem {

// A table with named columns, or with none.
struct ColumnLayout {
  std::string separator = ",";
  std::vector<std::string> names;  // the header's, empty without one
  size_t num_columns = 0;
  int user = -1, item = -1, time = -1, rating = -1, title = -1;  // -1: absent
  int history = -1;                                              // earlier items (history_rows.h)
  std::vector<int> where;                                        // of each condition
  bool time_sure = true, rating_sure = true;  // given by the user or under an exact usual name
};

// "','", "tabs", "blanks"
std::string separator_name(std::string_view separator);

// A column given by name or by number from 1, else the first usual name; -1 when there is none and
// it is not required. Throws BadLine, also for a name that two columns have.
int find_column(const std::vector<std::string>& names, const std::string& wanted, Role role,
                std::string_view separator, bool required);

// Finds the columns in a header; user and item are required. Throws BadLine.
ColumnLayout layout_of_header(std::vector<std::string> names, std::string separator,
                              const ColumnMap& columns);
// The same for a file of items, with item and title alone. A wanted column that the file does not
// have is looked for under its usual names.
ColumnLayout layout_of_items(std::vector<std::string> names, std::string separator,
                             const ColumnMap& columns);
std::vector<std::string> header_fields(std::string_view line, std::string_view separator);
// layout_of_header of the file's first line, which is taken. Throws FormatError.
ColumnLayout take_header(TextSource& text, const std::string& separator, const ColumnMap& columns);

// Finds the conditions' columns, by name or by number from 1. Throws UsageError that lists the
// file's columns.
void place_conditions(const RowFilter& filter, std::string_view file, ColumnLayout& layout);

// One interaction of a split line, or nothing when the filter leaves it out, which is noted in
// dropped. Throws BadLine.
std::optional<Row> table_row(const std::vector<std::string_view>& fields,
                             const ColumnLayout& layout, const RowFilter& filter,
                             DroppedRows& dropped);
// Interactions of a separated-value file whose header has been taken. Files without quotes are
// parsed in parallel. quotes: whether the format knows them.
void read_table(TextSource& text, ColumnLayout layout, ReadContext& context, Source& source,
                bool quotes = true);

}  // namespace tandem
