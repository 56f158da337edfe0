// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tokenizer/model.h"

namespace tandem {

// BERT's WordPiece: from the left, always the longest piece; pieces inside a word carry a prefix
// ("##"). A word that cannot be cut so, or is too long, is unknown as a whole.
class WordPieceModel : public TokenModel {
 public:
  WordPieceModel(Vocabulary vocabulary, int32_t unk_id, std::string prefix, int64_t max_word_chars);

  void encode_word(std::string_view word, WordCache& scratch,
                   std::vector<WordPiece>& out) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::optional<int32_t> unk_id() const override { return unk_id_; }

 private:
  Vocabulary vocabulary_;
  int32_t unk_id_;
  std::string prefix_;
  int64_t max_word_chars_;
  size_t longest_ = 0;  // bytes of the longest piece
};

}  // namespace tandem
