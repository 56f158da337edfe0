// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/trainer.h"

namespace tandem {

// U+2581, which stands for a blank in a byte-fallback vocabulary.
inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";

// The vocabulary of a training as it grows. Pieces are spelt as in the file.
struct Pieces {
  std::vector<std::string> spelling;
  std::vector<std::pair<int32_t, int32_t>> merges;

  int32_t add(std::string piece) {
    spelling.push_back(std::move(piece));
    return static_cast<int32_t>(spelling.size()) - 1;
  }
};

// The special tokens of a style: unknown (byte fallback alone), begin and end of text, padding
// (byte level alone).
std::vector<const char*> trained_specials(TokenizerStyle style);

// tokenizer.json of a training's pieces; each title is one added token on top.
std::string tokenizer_json(const Pieces& pieces, const std::vector<std::string>& titles,
                           TokenizerStyle style);

}  // namespace tandem
