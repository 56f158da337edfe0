// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "tokenizer/aligned_text.h"
#include "tokenizer/json_fields.h"

namespace tandem {

// One rewriting step before the text is cut into words.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(AlignedText& text) const = 0;
};

using Normalizers = std::vector<std::unique_ptr<Normalizer>>;

// The steps of tokenizer.json's "normalizer", sequences flattened. FormatError for a type that is
// not known.
Normalizers make_normalizers(const TokenizerJson& spec, std::string_view where);

std::unique_ptr<Normalizer> prepend_normalizer(std::string prefix);
std::unique_ptr<Normalizer> replace_normalizer(std::string from, std::string to);

}  // namespace tandem
