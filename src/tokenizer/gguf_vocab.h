// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <utility>
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
  std::optional<bool> bos_flag, eos_flag;  // as the file has them
  bool adds_space = false;                 // SentencePiece: one before the text
  bool ignores_merges = false;
  std::vector<BpeModel::Merge> merges;
  std::vector<std::string> split_patterns;  // byte level: one after the other
  // Chat templates by name, "" for the one without; kept for the folder, not used here.
  std::vector<std::pair<std::string, std::string>> chat_templates;

  bool is_added(int32_t id) const;  // outside the BPE model
};

// Of a file, or of the first part of a split one. Throws FormatError, IoError.
GgufVocabulary read_gguf_vocabulary(const fs::path& path);

// The same as Hugging Face's tokenizer.json and tokenizer_config.json: names and contents.
std::vector<std::pair<std::string, std::string>> gguf_tokenizer_files(const GgufVocabulary& vocab);
// Writes them into the folder.
void write_gguf_tokenizer(const GgufVocabulary& vocabulary, const fs::path& folder);

}  // namespace tandem
