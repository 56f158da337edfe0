// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/model.h"

#include "core/error.h"

namespace tandem {

void Vocabulary::add(std::string piece, int64_t id, int64_t max_id, std::string_view where) {
  if (id < 0 || id > max_id || id >= INT32_MAX) {
    throw FormatError("{}: token '{}' has id {}, expected 0 to {} for a file of this size", where,
                      piece.substr(0, 40), id, max_id);
  }
  if (static_cast<size_t>(id) >= pieces_.size()) pieces_.resize(static_cast<size_t>(id) + 1);
  ids_.insert_or_assign(piece, static_cast<int32_t>(id));
  pieces_[id] = std::move(piece);
}

void WordCache::store(std::string_view word, uint64_t hash, const WordPiece* pieces, size_t count) {
  if (count == 0 || word.size() > kMaxWordBytes) return;
  if (slots_.empty() || text_.size() + word.size() > kMaxTextBytes ||
      pieces_.size() + count > kMaxPieces) {
    slots_.assign(kSlots, Slot{});
    text_.clear();
    pieces_.clear();
  }
  slots_[hash & kMask] = {hash, static_cast<uint32_t>(text_.size()),
                          static_cast<uint32_t>(pieces_.size()), static_cast<uint16_t>(word.size()),
                          static_cast<uint16_t>(count)};
  text_.append(word);
  pieces_.insert(pieces_.end(), pieces, pieces + count);
}

}  // namespace tandem
