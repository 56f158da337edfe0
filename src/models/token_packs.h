// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tandem {

// What a pass of a language model takes at once: enough tokens that the weights are read for many,
// few enough that the widest layer's inputs stay in some hundred megabytes.
inline constexpr int64_t kTokensAtOnce = 4096;

// Texts [begin, end).
struct TokenPack {
  int64_t begin = 0, end = 0;
};

// Cuts texts of these lengths, in their order, into packs of at most `most` tokens; a longer text
// is a pack of its own.
std::vector<TokenPack> token_packs(std::span<const int64_t> lengths, int64_t most = kTokensAtOnce);

}  // namespace tandem
