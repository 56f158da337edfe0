// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <functional>
#include <span>

#include "tokenizer/model.h"

namespace tandem {

struct BpeOptions {
  // The vocabulary is spelt in GPT-2's alphabet for bytes; words come as raw bytes.
  bool byte_level = false;
  // Characters outside the vocabulary become <0xNN> pieces.
  bool byte_fallback = false;
  // Neighbouring unknown characters become one token.
  bool fuse_unk = false;
  // A word that is a piece as a whole is that piece, whatever the merges say.
  bool ignore_merges = false;
  std::optional<std::string> unk_piece;
  std::string continuing_prefix, end_suffix;
};

// Byte-pair encoding: from single characters, the pair with the lowest rank is joined first, the
// leftmost of equals. O(n log n) a word by a priority queue; words seen before come from the cache.
class BpeModel : public TokenModel {
 public:
  struct Merge {
    int32_t left, right, rank, joined;
  };

  BpeModel(Vocabulary vocabulary, std::span<const Merge> merges, BpeOptions options,
           std::string_view where);

  // Merges of a vocabulary that ranks its pieces instead of listing merges: any two pieces whose
  // text joined is a piece may merge, in the order of that piece's rank. key(id) is the text,
  // rank(id) its rank or -1 for pieces that take no part.
  static std::vector<Merge> merges_from_ranks(const Vocabulary& vocabulary,
                                              const std::function<std::string_view(int32_t)>& key,
                                              const std::function<int32_t(int32_t)>& rank);

  void encode_word(std::string_view word, WordCache& scratch,
                   std::vector<WordPiece>& out) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::optional<int32_t> unk_id() const override { return unk_id_; }

 private:
  struct Joined {
    int32_t rank, id;
  };
  const Joined* find_merge(int32_t left, int32_t right) const;
  void encode_part(std::string_view word, WordCache& scratch, std::vector<WordPiece>& out,
                   uint32_t shift) const;
  void start_symbols(std::string_view word, std::vector<WordCache::Symbol>& symbols) const;
  void merge_all(WordCache& scratch) const;

  Vocabulary vocabulary_;
  BpeOptions options_;
  std::optional<int32_t> unk_id_;
  std::array<int32_t, 256>
      byte_ids_;  // pieces of single bytes: byte level, or the <0xNN> of byte fallback
  std::array<int32_t, 128> ascii_ids_;  // pieces of single ASCII characters
  bool all_bytes_ = false;              // every byte has a <0xNN> piece
  bool cut_before_mark_ = false;        // no merge joins a word's end with the next word's U+2581
  std::unordered_map<std::string, int32_t>
      whole_words_;  // byte level with ignore_merges: raw bytes to id
  // Open addressing: key left << 32 | right.
  std::vector<uint64_t> keys_;
  std::vector<Joined> joined_;
  size_t mask_ = 0;
};

}  // namespace tandem
