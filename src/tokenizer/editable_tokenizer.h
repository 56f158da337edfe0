// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/tokenizer.h"

namespace tandem {

// A tokenizer while its folder is being read. Not to be changed once it encodes.
class EditableTokenizer : public Tokenizer {
 public:
  // As the tokenizers library adds them, one after the other: a text that has an id keeps it and
  // takes the new token's flags, another gets the next free id. The tokens' own ids are not looked
  // at.
  virtual void add_tokens(std::span<const AddedToken> tokens) = 0;
  // Whether the text is an added token, in or out of the model's vocabulary.
  virtual bool is_added(std::string_view text) const = 0;
  // Replaces what is put before and behind every text. The ids exist.
  virtual void set_template(std::vector<int32_t> prefix, std::vector<int32_t> suffix) = 0;
};

}  // namespace tandem
