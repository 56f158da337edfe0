// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

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

}  // namespace tandem
