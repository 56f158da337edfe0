// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/dataset_files.h"

namespace tandem::test {

// A data set folder of users u0, u1, ... who took items of these outside ids, oldest first. Items
// are numbered as an import numbers them; titles are "Title of ID".
inline Dataset named_dataset(const fs::path& path,
                             const std::vector<std::vector<std::string>>& sequences) {
  std::set<std::string> names;
  for (const auto& sequence : sequences) names.insert(sequence.begin(), sequence.end());
  const std::vector<std::string> ids(names.begin(), names.end());
  std::vector<std::string> users, titles;
  for (const std::string& id : ids) titles.push_back("Title of " + id);
  for (size_t user = 0; user < sequences.size(); ++user) users.push_back(fmt::format("u{}", user));
  DenseLog log;
  log.user_ids.assign(users.begin(), users.end());
  log.item_ids.assign(ids.begin(), ids.end());
  log.titles.assign(titles.begin(), titles.end());
  log.offsets.push_back(0);
  for (const auto& sequence : sequences) {
    for (const std::string& id : sequence) {
      const auto place = std::ranges::lower_bound(ids, id) - ids.begin();
      log.items.push_back(static_cast<int32_t>(place + 1));
      log.timestamps.push_back(1000 + std::ssize(log.items));
      log.ratings.push_back(1);
    }
    log.offsets.push_back(log.items.size());
  }
  fs::create_directories(path);
  write_dataset_files(path, log, Json::object());
  return Dataset::open(path);
}

}  // namespace tandem::test
