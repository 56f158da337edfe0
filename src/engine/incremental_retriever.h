// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/history.h"

namespace tandem::engine {

// What a model keeps of a user in place of the history.
struct UserState {
  int64_t items = 0;          // interactions so far
  std::vector<float> values;  // as the model lays them out, state_size(items) of them
};

// A model that takes one interaction at a time, at a cost that does not grow with the history.
// Equal to the windowed model as long as the user has at most max_length items, bit for bit unless
// the model says otherwise (HLLM); what it remembers after that, each model says. Safe to call
// concurrently for different states.
class IncrementalRetriever {
 public:
  virtual ~IncrementalRetriever() = default;

  UserState new_state() const;
  // Takes one interaction into the state; hidden [D] is then what to score with. DataError for an
  // item that the model does not have, ShapeError for a state of another size.
  virtual void step(UserState& state, const Event& event, float* hidden) const = 0;
  // How many numbers a state has after so many interactions.
  virtual int64_t state_size(int64_t items) const = 0;

  // A state for a store, and back: int64 items, then float32 values, little-endian. The bytes do
  // not say which model wrote them; the store's key must. FormatError for bytes of another length
  // than this model's, or numbers that are not finite.
  std::vector<std::byte> to_bytes(const UserState& state) const;
  UserState from_bytes(std::span<const std::byte> bytes) const;

 protected:
  void check_size(const UserState& state) const;  // throws ShapeError
};

}  // namespace tandem::engine
