// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/importers/table.h"

namespace tandem {

// Item ids of a list field: separated by blanks ("a b c"), or a JSON or Python list ("['a', 2]").
// Throws BadLine.
std::vector<std::string> parse_item_list(std::string_view text);

// Reads a table whose rows are an item and the items before it (layout.history), as split files of
// RecBole's descendants and Amazon 2023 have them. Rows of a user overlap, and their lists may be cut
// to the newest items: they are joined in source.histories, to be finished by join_histories.
void read_histories(TextSource& text, const ColumnLayout& layout, bool quotes, ReadContext& context,
                    Source& source);

// Turns the histories of all files into rows of the log. An item that only lists name has the time of
// the first row that names it, with a warning. Throws FormatError when other files had no lists.
void join_histories(Source& source, ReadContext& context);

}  // namespace tandem
