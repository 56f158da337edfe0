// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "data/import.h"
#include "data/row_reader.h"

namespace tandem {

// What an importer fills.
struct Source {
  InteractionLog log;
  ItemCatalogue items;
  bool has_time = true;
};

using Importer = void (*)(const ImportOptions& options, ReadContext& context, Source& source);

void import_movielens(const ImportOptions& options, ReadContext& context, Source& source);
void import_amazon(const ImportOptions& options, ReadContext& context, Source& source);
void import_recbole(const ImportOptions& options, ReadContext& context, Source& source);
void import_csv(const ImportOptions& options, ReadContext& context, Source& source);
void import_jsonl(const ImportOptions& options, ReadContext& context, Source& source);
void import_sequences(const ImportOptions& options, ReadContext& context, Source& source);
void import_hllm(const ImportOptions& options, ReadContext& context, Source& source);
void import_minionerec(const ImportOptions& options, ReadContext& context, Source& source);

// The format of a file or folder, from names and first lines. Throws DataError listing what was
// looked for.
std::string detect_format(const fs::path& input);

// The first of the names that exists in the folder, plain or with .gz; empty when none does.
fs::path find_in_folder(const fs::path& folder, std::initializer_list<std::string_view> names);
// Files of the folder whose names (less .gz) end with the suffix, sorted.
std::vector<fs::path> files_ending(const fs::path& folder, std::string_view suffix);
// The file's name without .gz.
std::string plain_name(const fs::path& path);
// The input itself when it is a file, else the named file in it; DataError tells what was looked
// for.
fs::path input_file(const ImportOptions& options, std::initializer_list<std::string_view> names);
// Item text: --meta, else one of the names beside the interactions; empty when there is none.
fs::path meta_file(const ImportOptions& options, const fs::path& interactions,
                   std::initializer_list<std::string_view> names);

// A table with named columns, or with none.
struct ColumnLayout {
  std::string separator = ",";
  std::vector<std::string> names;  // the header's, empty without one
  size_t num_columns = 0;
  int user = -1, item = -1, time = -1, rating = -1, title = -1;  // -1: absent
  std::vector<int> where;                                        // of each condition
};

// Names under which the columns are usually found; the first present wins.
const std::vector<std::string_view>& user_names();
const std::vector<std::string_view>& item_names();
const std::vector<std::string_view>& time_names();
const std::vector<std::string_view>& rating_names();
const std::vector<std::string_view>& title_names();

// Finds the columns in a header; user and item are required unless items_only. Throws BadLine.
ColumnLayout layout_of_header(std::vector<std::string> names, std::string separator,
                              const ColumnMap& columns, bool items_only = false);
std::vector<std::string> header_fields(std::string_view line, std::string_view separator);

// Finds the conditions' columns, by name or by number from 1. Throws UsageError that lists the
// file's columns.
void place_conditions(const RowFilter& filter, std::string_view file, ColumnLayout& layout);

// One interaction of a split line, or nothing when the filter leaves it out, which is noted in
// dropped. Throws BadLine.
std::optional<Row> table_row(const std::vector<std::string_view>& fields,
                             const ColumnLayout& layout, const RowFilter& filter,
                             DroppedRows& dropped);
// Interactions of a separated-value file whose header has been taken. Files without quotes are
// parsed in parallel.
void read_table(TextSource& text, ColumnLayout layout, ReadContext& context, Source& source);
// Items of a CSV file with a header: id, title, everything else as fields.
void read_item_csv(const fs::path& path, const ColumnMap& columns, ReadContext& context,
                   ItemCatalogue& items);
// Items as JSON lines or Python literals (told line by line).
void read_item_lines(const fs::path& path, const ColumnMap& columns, ReadContext& context,
                     ItemCatalogue& items);
// Items as one JSON object, id to fields.
void read_item_map(const fs::path& path, ReadContext& context, ItemCatalogue& items);
// Items as "id TAB title" lines.
void read_titles_tsv(const fs::path& path, ReadContext& context, ItemCatalogue& items);
// Distinct item ids, one a line. Throws FormatError.
std::vector<std::string> read_item_ids(const fs::path& path);
// Whichever of the three the file's name says.
void read_items(const fs::path& path, const ColumnMap& columns, ReadContext& context,
                ItemCatalogue& items);

}  // namespace tandem
