// SPDX-License-Identifier: Apache-2.0
#include "engine/incremental_retriever.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"

namespace tandem::engine {
namespace {

// More interactions than anyone has; a state's own count is hostile too.
constexpr int64_t kMostItems = int64_t{1} << 40;
bool is_count(int64_t items) { return items >= 0 && items <= kMostItems; }

}  // namespace

UserState IncrementalRetriever::new_state() const {
  return {.items = 0, .values = std::vector<float>(static_cast<size_t>(state_size(0)))};
}

void IncrementalRetriever::check_size(const UserState& state) const {
  if (!is_count(state.items) || std::ssize(state.values) != state_size(state.items))
    throw ShapeError("a state of {} numbers after {} items, expected {}", state.values.size(),
                     state.items, is_count(state.items) ? state_size(state.items) : 0);
}

std::vector<std::byte> IncrementalRetriever::to_bytes(const UserState& state) const {
  check_size(state);
  std::vector<std::byte> bytes(sizeof(int64_t) + state.values.size() * sizeof(float));
  std::memcpy(bytes.data(), &state.items, sizeof(int64_t));
  std::memcpy(bytes.data() + sizeof(int64_t), state.values.data(),
              state.values.size() * sizeof(float));
  return bytes;
}

UserState IncrementalRetriever::from_bytes(std::span<const std::byte> bytes) const {
  UserState state;
  if (bytes.size() >= sizeof(int64_t)) std::memcpy(&state.items, bytes.data(), sizeof(int64_t));
  const std::span<const std::byte> values = bytes.subspan(std::min(bytes.size(), sizeof(int64_t)));
  const int64_t expected = is_count(state.items) ? state_size(state.items) : 0;
  if (bytes.size() < sizeof(int64_t) || !is_count(state.items) ||
      values.size() != static_cast<size_t>(expected) * sizeof(float))
    throw FormatError("a user's state of {} bytes after {} items, expected {}", bytes.size(),
                      state.items, sizeof(int64_t) + static_cast<size_t>(expected) * sizeof(float));
  state.values.resize(expected);
  std::memcpy(state.values.data(), values.data(), values.size());
  for (const float value : state.values)
    if (!std::isfinite(value)) throw FormatError("a user's state has a number that is {}", value);
  return state;
}

}  // namespace tandem::engine
