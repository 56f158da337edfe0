// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/json_fields.h"
#include "tokenizer/tokenizer.h"

namespace tandem {

// What is done to the finished ids of one text: special tokens before and behind, and white space
// at the edges of pieces taken out of their offsets.
struct PostProcessor {
  std::vector<int32_t> prefix, suffix;
  bool trims_offsets = false;
  bool keeps_prefix_space =
      false;  // the one space that the pre-tokenizer put before the text is not trimmed

  static PostProcessor from_json(const TokenizerJson& spec, std::string_view where);
  // Offsets in code points.
  void trim_offsets(Encoding& encoding) const;
};

}  // namespace tandem
