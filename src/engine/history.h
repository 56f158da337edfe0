// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <span>

#include "core/check.h"

namespace tandem::engine {

// A user's items, oldest first, and where they are known the times of them, in seconds since 1970:
// one each, 0 for one that is not known, or none at all. Stands wherever a span of items does. A
// view: what it looks into must outlive it.
class History {
 public:
  History() = default;
  template <class Items>
  requires std::convertible_to<const Items&, std::span<const int32_t>> History(const Items& items)
      : items_(items) {}
  History(std::span<const int32_t> items, std::span<const int64_t> times)
      : items_(items), times_(times) {
    TANDEM_CHECK(times.empty() || times.size() == items.size());
  }

  std::span<const int32_t> items() const { return items_; }
  std::span<const int64_t> times() const { return times_; }  // empty: none is known
  int64_t time(size_t i) const { return times_.empty() ? 0 : times_[i]; }

  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  int32_t operator[](size_t i) const { return items_[i]; }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }

  // The newest so many; all where there are fewer.
  History newest(size_t count) const {
    if (count >= size()) return *this;
    return {items_.last(count), times_.empty() ? times_ : times_.last(count)};
  }

 private:
  std::span<const int32_t> items_;
  std::span<const int64_t> times_;
};

// One interaction that a state takes in.
struct Event {
  int32_t item = 0;
  int64_t time = 0;  // seconds since 1970; 0: not known
};

}  // namespace tandem::engine
