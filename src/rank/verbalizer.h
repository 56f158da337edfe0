// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rank/prompt.h"

namespace tandem {

// Which token stands for each candidate's letter.
//
//   exact   the token that the letter adds to a prompt, hence the one that training supervises
//   compat  the first token of the letter tokenised alone, which LlamaRec's code reads; with Llama
//           2's tokenizer that is the letter with a blank in front, another token
//
// Byte-level tokenizers (Llama 3, Qwen2) give both the same. Every letter must be one token of its
// own and all must differ; DataError names the letter otherwise.
struct Verbalizer {
  std::vector<int32_t> ids = {};      // read when scoring, one a letter
  std::vector<int32_t> trained = {};  // the exact ones, whichever are read
  bool compat = false;
};

Verbalizer make_verbalizer(const PromptEncoder& encoder, const PromptConfig& config);

}  // namespace tandem
