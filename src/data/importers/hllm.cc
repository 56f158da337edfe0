// SPDX-License-Identifier: Apache-2.0
// HLLM's two CSV files: interactions (item_id,user_id,timestamp) and information
// (item_id,title,tag,description).
#include <algorithm>

#include "core/error.h"
#include "data/importers/importer.h"
#include "data/importers/items.h"
#include "data/importers/log_files.h"

namespace tandem {
namespace {

bool has_user_column(const fs::path& path) {
  TextSource text(path);
  try {
    const auto names = header_fields(text.peek_line(), ",");
    return std::find(names.begin(), names.end(), "user_id") != names.end();
  } catch (const BadLine&) {
    return false;
  }
}

// The file of items that belongs to the log: the only one, or the one of its name.
fs::path information_of(const fs::path& folder, const fs::path& log,
                        const std::vector<fs::path>& files) {
  if (files.empty()) return {};
  if (files.size() == 1) return files[0];
  for (const fs::path& file : files) {
    if (plain_name(file) == plain_name(log)) return file;
  }
  std::vector<std::string> names;
  for (const fs::path& file : files) names.push_back(file.filename().string());
  throw DataError(
      "{}: found several files of items: {}; expected one, or one named {}; name it "
      "with --meta",
      folder.string(), fmt::join(names, ", "), plain_name(log));
}

}  // namespace

void import_hllm(const ImportOptions& options, ReadContext& context, Source& source) {
  fs::path information = options.meta.value_or(fs::path());
  if (!fs::exists(options.input))
    throw IoError("{}: no such file or folder", options.input.string());
  std::vector<fs::path> logs{options.input};
  if (fs::is_directory(options.input)) {
    std::vector<fs::path> files = files_ending(options.input, ".csv"), items;
    for (const char* folder : {"interactions", "information"}) {
      for (const fs::path& file : files_ending(options.input / folder, ".csv"))
        files.push_back(file);
    }
    logs.clear();
    for (const fs::path& file : files) (has_user_column(file) ? logs : items).push_back(file);
    logs = one_log(
        options.input, logs,
        "no CSV file with a column user_id (separated by ','), expected HLLM's interactions "
        "(item_id,user_id,timestamp)");
    if (information.empty()) information = information_of(options.input, logs[0], items);
  } else if (information.empty()) {
    // .../interactions/NAME.csv goes with .../information/NAME.csv.
    const fs::path other =
        options.input.parent_path().parent_path() / "information" / options.input.filename();
    if (fs::exists(other)) information = other;
  }
  ColumnMap columns = options.columns;
  if (!information.empty()) columns.title = "";
  for (const fs::path& log : logs) {
    TextSource text(log);
    read_table(text, take_header(text, ",", columns), context, source);
  }
  if (information.empty()) return;
  columns.title = options.columns.title;
  read_items(information, columns, context, source.items);
}

}  // namespace tandem
