// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "core/output.h"
#include "data/equal_times.h"
#include "data/id_table.h"
#include "data/time_text.h"

namespace tandem {

inline constexpr float kNoRating = std::numeric_limits<float>::quiet_NaN();

// How equal timestamps of one user are ordered: as in the file, or by dense item index (LlamaRec's
// rule; it leaves a rising pattern in the ids that sequence models exploit, see docs/protocols.md).
enum class EqualTimes { kFile, kItem };

struct RawInteraction {
  std::string user, item;
  int64_t timestamp = 0;
  float rating = kNoRating;
};

struct RawItem {
  std::string id, title;
  std::vector<std::pair<std::string, std::string>> fields;  // other text: genres, description, ...
};

// A log as it comes: outside ids, any order. For tests and small in-memory sets.
struct RawLog {
  std::vector<RawInteraction> interactions;
  std::vector<RawItem> items;
};

// What an importer fills: parallel columns in file order, ids numbered in any order.
struct InteractionLog {
  IdTable users, items;
  std::vector<int32_t> user, item;  // indices into users, items
  TimeColumn time;                  // in seconds; 0 where the source has none
  std::vector<float> rating;        // kNoRating where the source has none

  void add(int32_t user_index, int32_t item_index, const ExactTime& when, float stars) {
    user.push_back(user_index);
    item.push_back(item_index);
    time.push_back(when);
    rating.push_back(stars);
  }
};

// Text of items by outside id. Later entries of one id are ignored, but for the title where the
// earlier ones have none.
struct ItemCatalogue {
  IdTable ids;
  std::vector<RawItem> items;  // parallel to ids

  void add(RawItem item);
};

struct PrepareOptions {
  int64_t min_user = 0, min_item = 0;  // iterated k-core: fewest interactions of a user, of an item
  EqualTimes ties = EqualTimes::kFile;
  // Before the k-core, in this order.
  std::vector<std::string> drop_items = {};  // outside ids
  bool drop_untitled = false;
};

// Counts on the way from the source to the data set.
struct PrepareReport {
  int64_t raw_users = 0, raw_items = 0, raw_interactions = 0;
  int64_t listed_interactions = 0;              // dropped by drop_items
  std::vector<std::string> unknown_drop_items;  // ids of drop_items that no row has
  int64_t untitled_interactions = 0;            // dropped by drop_untitled
  int64_t num_users = 0, num_items = 0, num_interactions = 0;
  int64_t titled_items = 0;
  EqualTimesCount equal_times;
  Json dropped;  // what was left out and why, as dataset.json has it
  std::string fingerprint;
};

// Iterated k-core over rows (a repeated pair counts twice): drops users and items with too few rows
// until none is left. Returns which rows stay. The result does not depend on the order of dropping.
// O(rows x rounds).
std::vector<bool> k_core(const std::vector<int32_t>& user, const std::vector<int32_t>& item,
                         const std::vector<bool>& keep, int64_t num_users, int64_t num_items,
                         int64_t min_user, int64_t min_item);

// Filters, orders and writes a data set folder; it appears whole or not at all. Users and items get
// dense indices in the order of string_table.h; each user's rows are sorted by time. about is
// stored in dataset.json. Throws DataError when nothing is left, IoError.
PrepareReport write_dataset(const Output& output, InteractionLog log, const ItemCatalogue& items,
                            const PrepareOptions& options, const Json& about);
PrepareReport write_dataset(const Output& output, const RawLog& log,
                            const PrepareOptions& options = {});

}  // namespace tandem
