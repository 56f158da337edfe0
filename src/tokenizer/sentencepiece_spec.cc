// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/sentencepiece_spec.h"

#include <cstdint>

namespace tandem {
namespace {

bool read_varint(std::string_view& rest, uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !rest.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

// Calls field(number, value, bytes) for each field of a message: value for numbers, bytes for what
// has a length.
template <typename Field>
bool each_field(std::string_view message, Field&& field) {
  while (!message.empty()) {
    uint64_t tag = 0, value = 0;
    if (!read_varint(message, tag)) return false;
    std::string_view bytes;
    const auto take = [&](uint64_t size) {
      if (size > message.size()) return false;
      bytes = message.substr(0, size);
      message.remove_prefix(size);
      return true;
    };
    switch (tag & 7) {
      case 0:
        if (!read_varint(message, value)) return false;
        break;
      case 1:
        if (!take(8)) return false;
        break;
      case 2:
        if (!read_varint(message, value) || !take(value)) return false;
        break;
      case 5:
        if (!take(4)) return false;
        break;
      default:
        return false;
    }
    if (!field(tag >> 3, value, bytes)) return false;
  }
  return true;
}

}  // namespace

std::optional<SentencePieceSpec> read_sentencepiece_spec(std::string_view model) {
  SentencePieceSpec spec;
  const auto piece = [&](uint64_t number, uint64_t value, std::string_view) {
    constexpr uint64_t kUserDefined = 4;
    if (number == 3) spec.has_user_defined |= value == kUserDefined;
    return true;
  };
  const auto trainer = [&](uint64_t number, uint64_t value, std::string_view) {
    if (number == 3) spec.is_bpe = value == 2;
    if (number == 24) spec.whitespace_as_suffix = value != 0;
    return true;
  };
  const auto normalizer = [&](uint64_t number, uint64_t value, std::string_view bytes) {
    if (number == 2) spec.has_charsmap = !bytes.empty();
    if (number == 3) spec.add_dummy_prefix = value != 0;
    if (number == 4) spec.remove_extra_whitespaces = value != 0;
    if (number == 5) spec.escape_whitespaces = value != 0;
    return true;
  };
  const bool complete = each_field(model, [&](uint64_t number, uint64_t, std::string_view bytes) {
    if (number == 1) return each_field(bytes, piece);
    if (number == 2) return each_field(bytes, trainer);
    if (number == 3) return each_field(bytes, normalizer);
    return true;
  });
  return complete ? std::optional(spec) : std::nullopt;
}

}  // namespace tandem
