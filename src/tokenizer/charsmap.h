// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

// SentencePiece's compiled table of replacements: the size of a double-array trie (32 bits), the
// trie, and the replacements, each ended by a zero byte.
class Charsmap {
 public:
  // Throws FormatError when the parts do not fit the blob.
  Charsmap(std::string_view blob, std::string_view where);

  // The replacement for the shortest entry that text begins with, as the tokenizers library applies
  // it.
  std::optional<std::string_view> find(std::string_view text) const;

 private:
  std::vector<uint32_t> units_;
  std::string replacements_;
};

std::string decode_base64(std::string_view text, std::string_view where);

}  // namespace tandem
