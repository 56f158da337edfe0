// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "tokenizer/model.h"

namespace tandem {

// The unigram language model (Kudo, "Subword Regularization", 2018): of all ways to cut a word into
// pieces, the one with the largest sum of log-probabilities, found by dynamic programming over the
// places. A character that is no piece costs 10 more than the least likely piece; neighbouring
// unknown characters are one token.
class UnigramModel : public TokenModel {
 public:
  // scores[id] is the log-probability of vocabulary.piece(id).
  UnigramModel(Vocabulary vocabulary, std::vector<double> scores, std::optional<int32_t> unk_id,
               bool byte_fallback);

  void encode_word(std::string_view word, WordCache& scratch,
                   std::vector<WordPiece>& out) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::optional<int32_t> unk_id() const override { return unk_id_; }
  bool shows_unknown_text() const override { return true; }

 private:
  int32_t child(int32_t node, unsigned char byte) const;

  Vocabulary vocabulary_;
  std::vector<double> scores_;
  std::optional<int32_t> unk_id_;
  double unknown_score_ = 0;
  bool byte_fallback_ = false;
  std::array<int32_t, 256> byte_ids_;
  // Trie of all pieces: children of a node stand together, in the order of their bytes.
  struct Node {
    int32_t first_child = 0, id = -1;
    uint16_t num_children = 0;
    unsigned char byte = 0;
  };
  std::vector<Node> nodes_;
};

}  // namespace tandem
