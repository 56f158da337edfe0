// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/file.h"
#include "tokenizer/bpe.h"
#include "tokenizer/tokenizer.h"

namespace tandem {

// llama.cpp's kinds of tokens.
enum class GgufTokenType { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4 };

// A GGUF file's vocabulary with its merges worked out: what a tokenizer is built from.
struct GgufVocabulary {
  bool is_sentencepiece = false;  // else byte-level BPE
  Vocabulary vocabulary;
  std::vector<int> types;  // GgufTokenType, or another number
  Tokenizer::SpecialIds ids;
  bool adds_bos = false, adds_eos = false;
  bool adds_space = false;  // SentencePiece: one before the text
  bool ignores_merges = false;
  std::vector<BpeModel::Merge> merges;
  std::vector<std::string> split_patterns;  // byte level: one after the other

  bool is_added(int32_t id) const;  // outside the BPE model
};

// Throws FormatError, IoError.
GgufVocabulary read_gguf_vocabulary(const fs::path& path);

// The same as Hugging Face's files: tokenizer.json and tokenizer_config.json in the folder.
void write_gguf_tokenizer(const GgufVocabulary& vocabulary, const fs::path& folder);

}  // namespace tandem
