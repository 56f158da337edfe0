// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/json_fields.h"

namespace tandem {

// One step from pieces back to text; steps hand on lists of strings, which are joined at the end.
class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual void apply(std::vector<std::string>& pieces) const = 0;
};

using Decoders = std::vector<std::unique_ptr<Decoder>>;

// tokenizer.json's "decoder", sequences flattened. FormatError for a type that is not known.
Decoders make_decoders(const TokenizerJson& spec, std::string_view where);

std::unique_ptr<Decoder> byte_level_decoder();
// U+2581 to spaces, <0xNN> to bytes, and one space off the front if strip_first: SentencePiece's
// way.
Decoders byte_fallback_decoders(bool strip_first);

}  // namespace tandem
