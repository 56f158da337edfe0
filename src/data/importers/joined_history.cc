// SPDX-License-Identifier: Apache-2.0
#include "data/importers/joined_history.h"

#include <algorithm>

namespace tandem {
namespace {

using Entry = JoinedHistory::Entry;

bool same_item(const Entry& a, const Entry& b) { return a.item == b.item; }

// Takes time and rating of the row that an entry has of its own.
void settle(Entry& entry, const Entry& other) {
  if (!entry.own) entry = other;
}

}  // namespace

void JoinedHistory::add(const std::vector<int32_t>& before, const Entry& own,
                        const TimeColumn& times) {
  std::vector<Entry> row;
  for (const int32_t item : before) row.push_back({.item = item, .row = own.row});
  row.push_back(own);

  const auto known =
      std::find_end(entries_.begin(), entries_.end(), row.begin(), row.end(), same_item);
  bool again = false;
  if (known != entries_.end()) {
    Entry& place = known[std::ssize(row) - 1];
    again = place.own && times[place.row] != times[own.row];
    if (!again) return settle(place, own);
  }
  // It holds all that was known.
  const auto held =
      std::search(row.begin(), row.end(), entries_.begin(), entries_.end(), same_item);
  if (!again && !entries_.empty() && held != row.end()) {
    for (size_t i = 0; i < entries_.size(); ++i) {
      Entry& place = held[static_cast<int64_t>(i)];
      if (entries_[i].own || !place.own) place = entries_[i];
    }
    entries_ = std::move(row);
    return;
  }
  // It goes on where the known items end, or ends where they begin.
  const size_t most = std::min(entries_.size(), row.size() - (again ? 1 : 0));
  for (size_t shared = most; shared > 0; --shared) {
    const auto count = static_cast<int64_t>(shared);
    if (std::equal(entries_.end() - count, entries_.end(), row.begin(), same_item)) {
      entries_.insert(entries_.end(), row.begin() + count, row.end());
      return;
    }
    if (!again && std::equal(row.end() - count, row.end(), entries_.begin(), same_item)) {
      settle(entries_[shared - 1], own);
      entries_.insert(entries_.begin(), row.begin(), row.end() - count);
      return;
    }
  }
  entries_.insert(entries_.end(), row.begin(), row.end());
}

}  // namespace tandem
