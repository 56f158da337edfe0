// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace tandem {

// Distinct strings numbered in first-seen order. A flat hash map (open addressing, linear probing)
// over strings kept in blocks, so views stay valid. Never iterated in hash order. At most 2^31 - 1
// strings; throws DataError beyond.
class IdTable {
 public:
  IdTable();

  int32_t add(std::string_view id);
  std::optional<int32_t> find(std::string_view id) const;
  std::string_view operator[](int32_t index) const { return ids_[index]; }
  int32_t size() const { return static_cast<int32_t>(ids_.size()); }
  const std::vector<std::string_view>& ids() const { return ids_; }

 private:
  // key alone tells ids of up to seven bytes apart, so the usual look-up touches one cache line.
  struct Slot {
    uint64_t key = 0;
    uint32_t hash = 0;
    int32_t index = -1;
  };
  bool matches(const Slot& slot, uint64_t key, uint32_t hash, std::string_view id) const;
  void grow();
  std::string_view keep(std::string_view id);

  std::vector<Slot> slots_;  // a power of two, at most half full
  std::vector<std::string_view> ids_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* free_ = nullptr;
  size_t free_bytes_ = 0;
};

}  // namespace tandem
