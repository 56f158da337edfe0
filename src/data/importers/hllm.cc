// SPDX-License-Identifier: Apache-2.0
// HLLM's two CSV files: interactions (item_id,user_id,timestamp) and information
// (item_id,title,tag,description).
#include <algorithm>

#include "core/error.h"
#include "data/importers/importer.h"

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

}  // namespace

void import_hllm(const ImportOptions& options, ReadContext& context, Source& source) {
  fs::path interactions = options.input, information = options.meta.value_or(fs::path());
  if (!fs::exists(interactions)) throw IoError("{}: no such file or folder", interactions.string());
  if (fs::is_directory(interactions)) {
    std::vector<fs::path> files = files_ending(options.input, ".csv");
    for (const char* folder : {"interactions", "information"}) {
      for (const fs::path& file : files_ending(options.input / folder, ".csv"))
        files.push_back(file);
    }
    interactions.clear();
    for (const fs::path& file : files) {
      fs::path& slot = has_user_column(file) ? interactions : information;
      if (slot.empty()) slot = file;
    }
    if (interactions.empty())
      throw DataError(
          "{}: found no CSV file with a column user_id, expected HLLM's interactions "
          "(item_id,user_id,timestamp)",
          options.input.string());
  } else if (information.empty()) {
    // .../interactions/NAME.csv goes with .../information/NAME.csv.
    const fs::path other =
        interactions.parent_path().parent_path() / "information" / interactions.filename();
    if (fs::exists(other)) information = other;
  }
  TextSource text(interactions);
  ColumnLayout layout;
  try {
    layout = layout_of_header(header_fields(text.peek_line(), ","), ",", options.columns);
  } catch (const BadLine& bad) {
    throw FormatError("{}:1: found {}, expected {}", text.name(), bad.found, bad.expected);
  }
  text.take_line();
  read_table(text, layout, context, source);
  if (!information.empty()) read_items(information, {}, context, source.items);
}

}  // namespace tandem
