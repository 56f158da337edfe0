// SPDX-License-Identifier: Apache-2.0
// Files of item text.
#pragma once

#include <string>
#include <vector>

#include "data/import.h"
#include "data/row_reader.h"

namespace tandem {

// A table, JSON lines or Python literals (told by the first character). Of columns only item and
// title count: a title that is wanted must be there, an item may have another name than in the log.
// Throws FormatError.
void read_items(const fs::path& path, const ColumnMap& columns, ReadContext& context,
                ItemCatalogue& items);
// A table of items, with a header; .tsv also without one, as "id TAB title".
void read_item_table(const fs::path& path, const ColumnMap& columns, ReadContext& context,
                     ItemCatalogue& items);
// Items as JSON lines or Python literals (told line by line).
void read_item_lines(const fs::path& path, const ColumnMap& columns, ReadContext& context,
                     ItemCatalogue& items);
// Items as one JSON object, id to fields.
void read_item_map(const fs::path& path, ReadContext& context, ItemCatalogue& items);
// Distinct item ids, one a line. Throws FormatError.
std::vector<std::string> read_item_ids(const fs::path& path);

// Warns about items of the log that the files of items lack: where ids agree but for ".0", leading
// zeros or case, and where most have no text.
void warn_of_missing_items(const InteractionLog& log, const ItemCatalogue& items,
                           ReadContext& context);

}  // namespace tandem
