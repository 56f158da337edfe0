// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/dataset_files.h"
#include "support/temporary_folder.h"

namespace tandem::test {

// Users u0, u1, ... with these items in this order, of the items i1 to iN called "Item 1" to "Item
// N".
inline Dataset dataset_of(const TemporaryFolder& folder, int num_items,
                          const std::vector<std::vector<int32_t>>& sequences) {
  std::vector<std::string> users, items, titles;
  for (size_t u = 0; u < sequences.size(); ++u) users.push_back(fmt::format("u{}", u));
  for (int i = 1; i <= num_items; ++i) {
    items.push_back(fmt::format("i{}", i));
    titles.push_back(fmt::format("Item {}", i));
  }
  DenseLog log;
  log.user_ids.assign(users.begin(), users.end());
  log.item_ids.assign(items.begin(), items.end());
  log.titles.assign(titles.begin(), titles.end());
  log.offsets.push_back(0);
  for (const std::vector<int32_t>& sequence : sequences) {
    for (const int32_t item : sequence) {
      log.items.push_back(item);
      log.timestamps.push_back(100 + std::ssize(log.items));
      log.ratings.push_back(1);
    }
    log.offsets.push_back(log.items.size());
  }
  fs::create_directories(folder / "sequences");
  write_dataset_files(folder / "sequences", log, Json::object());
  return Dataset::open(folder / "sequences");
}

}  // namespace tandem::test
