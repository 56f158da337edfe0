// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/output.h"

namespace tandem {

enum class TokenizerStyle {
  kByteLevel,     // Llama 3: its split pattern, bytes, special tokens behind the vocabulary
  kByteFallback,  // Llama 2: U+2581 for spaces, characters, <0xNN> for what is rare, single digits
};

// Byte-pair training: the most frequent pair of neighbours within words becomes a piece, again and
// again (Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016).
// Equal counts go by the pieces' ids, so the same texts in the same order give the same file.
class BpeTrainer {
 public:
  explicit BpeTrainer(TokenizerStyle style) : style_(style) {}

  // One title, line or document.
  void add_text(std::string_view text);

  // A tokenizer.json of at most vocab_size pieces, special tokens included; fewer when no pair
  // occurs twice. Each of `titles` becomes one added token on top. ConfigError when vocab_size has
  // no room for the bytes.
  std::string train(int32_t vocab_size, const std::vector<std::string>& titles = {}) const;

 private:
  TokenizerStyle style_;
  std::map<std::string, int64_t> words_;
};

// Writes tokenizer.json and the tokenizer_config.json that names its special tokens into a folder
// that is there. Throws IoError.
void write_tokenizer_files(const fs::path& folder, const std::string& tokenizer_json,
                           TokenizerStyle style);

// What `tandem tokenizer train` writes: told by a tokenizer_config.json that says no more than
// ours.
extern const OutputKind kTokenizerFolder;

}  // namespace tandem
