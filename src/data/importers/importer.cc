// SPDX-License-Identifier: Apache-2.0
#include "data/importers/importer.h"

#include "core/error.h"
#include "data/importers/log_files.h"

namespace tandem {

void refuse_columns(const ImportOptions& options, std::string_view why) {
  const ColumnMap& c = options.columns;
  if (c.user.empty() && c.item.empty() && c.time.empty() && c.rating.empty() && c.title.empty())
    return;
  throw UsageError("--columns: not for --format {}: {}", options.format, why);
}

fs::path meta_file(const ImportOptions& options, const fs::path& interactions,
                   std::initializer_list<std::string_view> names) {
  if (options.meta) {
    if (!fs::is_regular_file(*options.meta))
      throw IoError("{}: no such file (--meta)", options.meta->string());
    return *options.meta;
  }
  return find_in_folder(interactions.parent_path(), names);
}

}  // namespace tandem
