// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/charsmap.h"

#include <cstring>

#include "core/error.h"

namespace tandem {

Charsmap::Charsmap(std::string_view blob, std::string_view where) {
  uint32_t trie_bytes = 0;
  if (blob.size() >= 4) std::memcpy(&trie_bytes, blob.data(), 4);
  if (blob.size() < 4 || trie_bytes % 4 != 0 || trie_bytes < 4 || trie_bytes > blob.size() - 4) {
    throw FormatError("{}: precompiled_charsmap of {} bytes says its trie has {}", where,
                      blob.size(), trie_bytes);
  }
  units_.resize(trie_bytes / 4);
  std::memcpy(units_.data(), blob.data() + 4, trie_bytes);
  replacements_ = blob.substr(4 + trie_bytes);
}

std::optional<std::string_view> Charsmap::find(std::string_view text) const {
  // A unit: bits 0-7 the byte that leads here, bit 8 whether a value hangs on it, bits 10-30 the
  // distance to its children (times 256 with bit 9); with bit 31 the unit is a value.
  const auto offset = [](uint32_t unit) { return unit >> 10 << ((unit & 1u << 9) >> 6); };
  size_t at = offset(units_[0]);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) return std::nullopt;
    at ^= byte;
    if (at >= units_.size()) return std::nullopt;
    const uint32_t unit = units_[at];
    if ((unit & (1u << 31 | 0xFF)) != byte) return std::nullopt;
    at ^= offset(unit);
    if ((unit >> 8 & 1) == 0) continue;
    if (at >= units_.size()) return std::nullopt;
    const uint32_t value = units_[at] & ~(1u << 31);
    if (value >= replacements_.size()) return std::nullopt;
    const std::string_view rest = std::string_view(replacements_).substr(value);
    return rest.substr(0, rest.find('\0'));
  }
  return std::nullopt;
}

std::string decode_base64(std::string_view text, std::string_view where) {
  std::string bytes;
  uint32_t bits = 0;
  int num_bits = 0;
  size_t i = 0;
  for (; i < text.size() && text[i] != '='; ++i) {
    const char c = text[i];
    int digit;
    if (c >= 'A' && c <= 'Z') {
      digit = c - 'A';
    } else if (c >= 'a' && c <= 'z') {
      digit = c - 'a' + 26;
    } else if (c >= '0' && c <= '9') {
      digit = c - '0' + 52;
    } else if (c == '+' || c == '/') {
      digit = c == '+' ? 62 : 63;
    } else {
      throw FormatError("{}: not base64: '{}'", where, text.substr(0, 40));
    }
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if ((num_bits += 6) >= 8) bytes += static_cast<char>(bits >> (num_bits -= 8) & 0xFF);
  }
  if (text.size() - i > 2 || text.find_first_not_of('=', i) != std::string_view::npos) {
    throw FormatError("{}: not base64: '{}'", where, text.substr(0, 40));
  }
  return bytes;
}

}  // namespace tandem
