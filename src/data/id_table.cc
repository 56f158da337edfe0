// SPDX-License-Identifier: Apache-2.0
#include "data/id_table.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"

namespace tandem {
namespace {

constexpr size_t kBlockBytes = 1 << 18;

// Eight bytes at a time, folded by a 64 x 64 -> 128 bit product.
uint64_t mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint32_t hash_of(std::string_view text) {
  uint64_t hash = 0x9e3779b97f4a7c15ULL ^ text.size();
  const char* at = text.data();
  size_t left = text.size();
  uint64_t word;
  for (; left > 8; left -= 8, at += 8) {
    std::memcpy(&word, at, 8);
    hash = mix(hash ^ word, 0xa0761d6478bd642fULL);
  }
  word = 0;
  std::memcpy(&word, at, left);
  hash = mix(hash ^ word, 0xe7037ed1a0b428dbULL);
  return static_cast<uint32_t>(hash ^ hash >> 32);
}

// The first seven bytes, and the length; lengths above seven share a mark.
constexpr uint64_t kLong = 0xFF;
uint64_t key_of(std::string_view id) {
  uint64_t key = 0;
  std::memcpy(&key, id.data(), std::min<size_t>(id.size(), 7));
  return key << 8 | (id.size() <= 7 ? id.size() : kLong);
}

}  // namespace

bool IdTable::matches(const Slot& slot, uint64_t key, uint32_t hash, std::string_view id) const {
  return slot.key == key && slot.hash == hash && ((key & 0xFF) != kLong || ids_[slot.index] == id);
}

IdTable::IdTable() : slots_(1024) {}

int32_t IdTable::add(std::string_view id) {
  const uint32_t hash = hash_of(id);
  const uint64_t key = key_of(id);
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  for (; slots_[slot].index >= 0; slot = (slot + 1) & mask) {
    if (matches(slots_[slot], key, hash, id)) return slots_[slot].index;
  }
  if (ids_.size() >= INT32_MAX) throw DataError("more than 2^31 - 1 distinct ids");
  const int32_t index = size();
  slots_[slot] = {key, hash, index};
  ids_.push_back(keep(id));
  if (ids_.size() * 2 > slots_.size()) grow();
  return index;
}

std::optional<int32_t> IdTable::find(std::string_view id) const {
  const uint32_t hash = hash_of(id);
  const uint64_t key = key_of(id);
  const size_t mask = slots_.size() - 1;
  for (size_t slot = hash & mask; slots_[slot].index >= 0; slot = (slot + 1) & mask) {
    if (matches(slots_[slot], key, hash, id)) return slots_[slot].index;
  }
  return std::nullopt;
}

void IdTable::grow() {
  std::vector<Slot> larger(slots_.size() * 2);
  const size_t mask = larger.size() - 1;
  for (const Slot& old : slots_) {
    if (old.index < 0) continue;
    size_t slot = old.hash & mask;
    while (larger[slot].index >= 0) slot = (slot + 1) & mask;
    larger[slot] = old;
  }
  slots_.swap(larger);
}

std::string_view IdTable::keep(std::string_view id) {
  if (id.size() > free_bytes_) {
    free_bytes_ = std::max(kBlockBytes, id.size());
    blocks_.push_back(std::make_unique<char[]>(free_bytes_));
    free_ = blocks_.back().get();
  }
  char* kept = free_;
  std::copy(id.begin(), id.end(), kept);
  free_ += id.size();
  free_bytes_ -= id.size();
  return {kept, id.size()};
}

}  // namespace tandem
