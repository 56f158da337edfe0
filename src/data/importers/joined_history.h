// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "data/raw_log.h"

namespace tandem {

// One user's items, joined from pieces that overlap: each is an item and the items before it, of
// which the oldest may have been cut off.
class JoinedHistory {
 public:
  struct Entry {
    int32_t item = 0;
    bool own = false;  // has a row of its own, not only a place in a list
    float rating = kNoRating;
    int64_t row = 0;  // whose time is this
  };

  // The items before, oldest first, and the row's own item. times: of all rows; a row that is known
  // already, but had another time, is another interaction.
  void add(const std::vector<int32_t>& before, const Entry& own, const TimeColumn& times);
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
};

}  // namespace tandem
