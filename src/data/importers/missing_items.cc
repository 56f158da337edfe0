// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <unordered_map>

#include "data/importers/items.h"

namespace tandem {
namespace {

// What spreadsheets and data frames do to ids is undone: "010.0" and "10" are alike, and upper and
// lower case.
std::string plain_id(std::string_view id) {
  if (const size_t point = id.find('.');
      point != std::string_view::npos && point > 0 &&
      id.find_first_not_of('0', point + 1) == std::string_view::npos)
    id = id.substr(0, point);
  while (id.size() > 1 && id.front() == '0') id.remove_prefix(1);
  std::string plain(id);
  for (char& c : plain) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return plain;
}

}  // namespace

void warn_of_missing_items(const InteractionLog& log, const ItemCatalogue& items,
                           ReadContext& context) {
  if (context.item_files.empty() || log.items.size() == 0) return;
  std::unordered_map<std::string, int32_t> plain;
  int64_t missing = 0, alike = 0;
  std::string example;
  for (int32_t item = 0; item < log.items.size(); ++item) {
    if (items.ids.find(log.items[item])) continue;
    if (missing++ == 0) {
      for (int32_t other = 0; other < items.ids.size(); ++other)
        plain.emplace(plain_id(items.ids[other]), other);
    }
    const auto found = plain.find(plain_id(log.items[item]));
    if (found == plain.end()) continue;
    if (alike++ == 0)
      example =
          fmt::format("; '{}' in the log is not '{}' there, ids are compared as they are written",
                      log.items[item], items.ids[found->second]);
  }
  if (alike == 0 && missing * 2 <= log.items.size()) return;
  context.warn(fmt::format("{}: {} of {} items of the log are not in it{}",
                           fmt::join(context.item_files, ", "), missing, log.items.size(),
                           example));
}

}  // namespace tandem
