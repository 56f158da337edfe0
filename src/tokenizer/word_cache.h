// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tandem {

// A piece of a word: id and its bytes [begin, end) of the word.
struct WordPiece {
  int32_t id;
  uint32_t begin, end;
};

inline uint64_t hash_bytes(std::string_view text) {
  constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15ull;
  uint64_t hash = text.size() * kMultiplier;
  const char* at = text.data();
  size_t left = text.size();
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    hash = (hash ^ word) * kMultiplier;
    hash ^= hash >> 32;
  }
  uint64_t word = 0;
  if (left > 0) std::memcpy(&word, at, left);
  hash = (hash ^ word) * kMultiplier;
  return hash ^ hash >> 29;
}

// A merge waiting in the queue of the byte-pair encoder.
struct PendingMerge {
  int32_t rank, new_id;
  uint32_t position;
};

// The pieces of words seen lately, and the working memory of one encoder thread. Bounded: about 4
// MB of words, then it starts anew. Direct-mapped, so a lookup is one hash and one comparison.
class WordCache {
 public:
  static constexpr size_t kMaxWordBytes = 64;

  // Appends the stored pieces of word and says whether there are any.
  bool find(std::string_view word, uint64_t hash, std::vector<WordPiece>& out) const {
    if (slots_.empty()) return false;
    const Slot& slot = slots_[hash & kMask];
    if (slot.hash != hash || slot.length != word.size() || slot.count == 0) return false;
    if (std::memcmp(text_.data() + slot.text, word.data(), word.size()) != 0) return false;
    const WordPiece* pieces = pieces_.data() + slot.pieces;
    out.insert(out.end(), pieces, pieces + slot.count);
    return true;
  }
  void store(std::string_view word, uint64_t hash, const WordPiece* pieces, size_t count);

  // Working memory of BpeModel.
  struct Symbol {
    int32_t id;
    uint32_t begin, end;
    int32_t previous, next;
  };
  std::vector<Symbol> symbols;
  std::vector<PendingMerge> queue;

 private:
  static constexpr size_t kSlots = 1 << 15, kMask = kSlots - 1;
  static constexpr size_t kMaxTextBytes = 1 << 20, kMaxPieces = 1 << 18;
  struct Slot {
    uint64_t hash = 0;
    uint32_t text = 0, pieces = 0;
    uint16_t length = 0, count = 0;
  };
  std::vector<Slot> slots_;
  std::string text_;
  std::vector<WordPiece> pieces_;
};

}  // namespace tandem
