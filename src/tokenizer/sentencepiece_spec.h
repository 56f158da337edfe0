// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

namespace tandem {

// What a SentencePiece model says about itself and the library does not tell: fields of its pieces,
// trainer_spec and normalizer_spec, with the format's defaults.
struct SentencePieceSpec {
  bool is_bpe = false;
  bool has_charsmap = false;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool whitespace_as_suffix = false;
  bool has_user_defined = false;  // a piece of that kind, which goes before all merges
};

// Reads the protocol buffer; nothing when it is malformed.
std::optional<SentencePieceSpec> read_sentencepiece_spec(std::string_view model);

}  // namespace tandem
