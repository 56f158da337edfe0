// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/word_piece_model.h"

#include <algorithm>

#include "tokenizer/unicode.h"

namespace tandem {

WordPieceModel::WordPieceModel(Vocabulary vocabulary, int32_t unk_id, std::string prefix,
                               int64_t max_word_chars)
    : vocabulary_(std::move(vocabulary)),
      unk_id_(unk_id),
      prefix_(std::move(prefix)),
      max_word_chars_(max_word_chars) {
  for (int32_t id = 0; id < vocabulary_.size(); ++id)
    longest_ = std::max(longest_, vocabulary_.piece(id).size());
}

void WordPieceModel::encode_word(std::string_view word, WordCache& scratch,
                                 std::vector<WordPiece>& out) const {
  if (word.empty()) return;
  const bool cached = word.size() <= WordCache::kMaxWordBytes;
  const uint64_t hash = cached ? hash_bytes(word) : 0;
  if (cached && scratch.find(word, hash, out)) return;
  const size_t first = out.size();

  const auto is_start = [&](size_t at) {
    return (static_cast<unsigned char>(word[at]) & 0xC0) != 0x80;
  };
  int64_t num_chars = 0;
  for (size_t i = 0; i < word.size(); ++i) num_chars += is_start(i);
  bool known = num_chars <= max_word_chars_;
  std::string spelt;
  for (size_t begin = 0; known && begin < word.size();) {
    size_t end = std::min(word.size(), begin + longest_);
    for (; end > begin; --end) {
      if (end < word.size() && !is_start(end)) continue;
      spelt = begin > 0 ? prefix_ : "";
      spelt += word.substr(begin, end - begin);
      if (const auto id = vocabulary_.find(spelt)) {
        out.push_back({*id, static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
        break;
      }
    }
    known = end > begin;
    begin = end;
  }
  if (!known) {
    out.resize(first);
    out.push_back({unk_id_, 0, static_cast<uint32_t>(word.size())});
  }
  if (cached) scratch.store(word, hash, out.data() + first, out.size() - first);
}

}  // namespace tandem
