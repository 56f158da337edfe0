// SPDX-License-Identifier: Apache-2.0
#include "models/token_packs.h"

namespace tandem {

std::vector<TokenPack> token_packs(std::span<const int64_t> lengths, int64_t most) {
  std::vector<TokenPack> packs;
  int64_t tokens = 0;
  for (int64_t i = 0; i < std::ssize(lengths); ++i) {
    if (packs.empty() || tokens + lengths[i] > most) {
      packs.push_back({i, i});
      tokens = 0;
    }
    tokens += lengths[i];
    packs.back().end = i + 1;
  }
  return packs;
}

}  // namespace tandem
