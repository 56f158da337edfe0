// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "data/import.h"
#include "data/importers/source.h"

namespace tandem {

// Under which keys a log's values are; "" where there is none.
struct JsonKeys {
  std::string user, item, time, rating, title;
  std::vector<std::string> first;  // all keys of the first line
};

// Where titles may be: only in the rows, in a file of items, or in either.
enum class TitlesIn { kRows, kItems, kEither };

// The keys of a file of JSON lines, looked for on every line until they are found; a key is that of
// the first line that has one. Without a time warns. Throws FormatError for a key that is needed, or
// wanted in columns, and on no line.
JsonKeys keys_of_file(const fs::path& path, const ColumnMap& columns, TitlesIn titles,
                      ReadContext& context);

// The rows of the file, and the items' titles where there is a key for them. A line without a time
// is bad where the file has times.
void read_json_rows(const fs::path& path, const JsonKeys& keys, ReadContext& context,
                    Source& source);

}  // namespace tandem
