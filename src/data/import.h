// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "data/raw_log.h"
#include "data/row_filter.h"

namespace tandem {

// Which columns hold what: by header name, or by number from 1. Empty means the usual names.
struct ColumnMap {
  std::string user, item, time, rating, title;
};

// "user=uid,item=sku,time=3". Throws UsageError for an unknown key or a missing '='.
ColumnMap parse_column_map(std::string_view text);

// How MovieLens titles are written. kClean: a trailing article moves to the front and bracketed
// groups before the year go, "Matrix, The (1999)" becomes "The Matrix (1999)". kLlamaRec: the same
// as LlamaRec's preprocessing does it, which reads movies.csv as Latin-1, so that accents become
// two characters. kPlain: as in the file.
enum class MovieTitles { kClean, kLlamaRec, kPlain };

struct ImportOptions {
  std::string format = "auto";
  fs::path input;                             // a file or a folder
  std::optional<fs::path> meta;               // item text, when it is not found beside the input
  ColumnMap columns;                          // of formats with named columns
  std::string separator;                      // csv; "" means told from the first line
  std::optional<int64_t> min_user, min_item;  // default 5, but 0 for sequences, hllm, minionerec
  EqualTimes ties = EqualTimes::kFile;
  std::vector<std::string> where;      // conditions that a row must meet (row_filter.h)
  std::optional<fs::path> drop_items;  // a file of outside item ids, one a line
  bool drop_untitled = false;
  bool overwrite = false;
  bool skip_bad_lines = false;
  std::optional<MovieTitles> titles;  // movielens; kClean
};

struct ImportReport {
  std::string format;  // as used
  std::string titles;  // clean, llamarec or plain; "" for other formats than movielens
  PrepareReport prepared;
  int64_t min_user = 0, min_item = 0;
  int64_t skipped_lines = 0;
  RowFilter filter;
  DroppedRows dropped;  // rows that were not read, before all that prepared counts
  bool has_time = true;
  std::string time_unit;  // of the source: seconds, milliseconds, dates, ...; "" without rows
  std::vector<std::string> columns;         // "user=user_id", ...: which were read
  std::vector<std::string> unread_columns;  // which were not
  std::vector<std::string> warnings;        // for standard error
};

const std::vector<std::string>& import_formats();

// Reads the source and writes the data set folder, whole or not at all. Throws FormatError for a
// bad line, UsageError for options that do not fit, DataError, IoError.
ImportReport import_dataset(const ImportOptions& options, const fs::path& folder, ThreadPool& pool);

}  // namespace tandem
