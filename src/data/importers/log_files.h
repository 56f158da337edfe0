// SPDX-License-Identifier: Apache-2.0
// Which files of a folder are the log.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "data/import.h"

namespace tandem {

// The file's name without .gz.
std::string plain_name(const fs::path& path);
// The first of the names that exists in the folder, plain or with .gz; empty when none does.
fs::path find_in_folder(const fs::path& folder, std::initializer_list<std::string_view> names);
// Files of the folder whose names (less .gz) end with the suffix, sorted. Of a file and its .gz the
// file.
std::vector<fs::path> files_ending(const fs::path& folder, std::string_view suffix);

// The parts of one split in the order train, validation, test: files whose names differ in that
// word alone (Toys.train.csv, Toys.valid.csv.gz, Toys.test.csv). Empty when they are not.
std::vector<fs::path> split_parts(const std::vector<fs::path>& files);
// Whether the name ends with a part's word: "Office.train", not "train" alone.
bool is_split_name(std::string_view stem);
// One log, or the parts of one split, in order. Throws DataError that names the files when they are
// several logs, or says what was expected when there is none.
std::vector<fs::path> one_log(const fs::path& folder, const std::vector<fs::path>& files,
                              std::string_view expected);

// Whether the file's first line is that of a log, by the names of its columns or keys.
bool is_log(const fs::path& path, const ColumnMap& columns);
// The logs of a folder by is_log: tables (.csv, .tsv, .txt, .dat) or JSON lines (.json, .jsonl).
// Names that begin with meta or item are not logs.
std::vector<fs::path> table_logs(const fs::path& folder, const ColumnMap& columns);
std::vector<fs::path> json_logs(const fs::path& folder, const ColumnMap& columns);

// The input itself when it is a file. Of a folder the one file with one of the names; without one
// `others`. Throws IoError, and DataError as one_log does.
std::vector<fs::path> input_logs(const ImportOptions& options,
                                 std::initializer_list<std::string_view> names,
                                 const std::vector<fs::path>& others);

// The format and the input that an importer is to read: with auto told from names and first lines;
// of a folder perhaps the one file in it. Throws DataError listing what was looked for.
struct DetectedInput {
  std::string format;
  fs::path input;
};
DetectedInput detect_format(const ImportOptions& options);

}  // namespace tandem
