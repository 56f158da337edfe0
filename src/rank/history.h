// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "data/dataset.h"
#include "engine/history.h"

namespace tandem {

// A user's oldest `count` interactions as a retriever takes them: items and their times.
inline engine::History oldest(const Dataset& dataset, int64_t user, int64_t count) {
  const auto size = static_cast<size_t>(count);
  return {dataset.items(user).first(size), dataset.timestamps(user).first(size)};
}
// All of them.
inline engine::History history_of(const Dataset& dataset, int64_t user) {
  return oldest(dataset, user, std::ssize(dataset.items(user)));
}
// Those before the held-out one (input_items()).
inline engine::History history_of(const Dataset& dataset, int64_t user, Split split) {
  return oldest(dataset, user, std::ssize(input_items(dataset, user, split)));
}

// Items of a user's history with their times, where they are a part of the data set's own; others
// (typed ones) have none.
inline engine::History with_times(const Dataset& dataset, int64_t user,
                                  std::span<const int32_t> items) {
  const std::span<const int32_t> all = dataset.items(user);
  if (items.empty() || items.data() < all.data() ||
      items.data() + items.size() > all.data() + all.size())
    return items;
  const auto first = static_cast<size_t>(items.data() - all.data());
  return {items, dataset.timestamps(user).subspan(first, items.size())};
}

}  // namespace tandem
