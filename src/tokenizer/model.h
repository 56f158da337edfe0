// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/word_cache.h"

namespace tandem {

// Pieces and their ids. Ids may leave gaps; an empty piece marks one.
class Vocabulary {
 public:
  // Throws FormatError when id is negative or above max_id; the file's size bounds it, so that one
  // hostile id cannot ask for gigabytes.
  void add(std::string piece, int64_t id, int64_t max_id, std::string_view where);

  std::optional<int32_t> find(std::string_view piece) const {
    const auto found = ids_.find(piece);
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
  }
  const std::string& piece(int32_t id) const { return pieces_[id]; }
  int32_t size() const { return static_cast<int32_t>(pieces_.size()); }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return hash_bytes(text); }
  };
  std::unordered_map<std::string, int32_t, Hash, std::equal_to<>> ids_;
  std::vector<std::string> pieces_;
};

// The step from a word of the pre-tokenizer to pieces.
class TokenModel {
 public:
  virtual ~TokenModel() = default;

  // Appends the pieces of word. scratch belongs to the calling thread for the time of the call.
  virtual void encode_word(std::string_view word, WordCache& scratch,
                           std::vector<WordPiece>& out) const = 0;
  virtual const Vocabulary& vocabulary() const = 0;
  virtual std::optional<int32_t> unk_id() const { return std::nullopt; }
  // Whether an unknown piece is shown as the text it stands for.
  virtual bool shows_unknown_text() const { return false; }
};

}  // namespace tandem
