// SPDX-License-Identifier: Apache-2.0
// The input is a file of co-occurrences. What is accepted has rows that a score may be added from.
#include <cstdint>

#include "core/check.h"
#include "core/error.h"
#include "fuzz/memory_file.h"
#include "models/cooccurrence.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  try {
    const MemoryFile input(data, size);
    const Cooccurrence pairs(input.path());
    for (int64_t item = 1; item <= pairs.num_items(); ++item) {
      const auto [items, similarities] = pairs.row(item);
      TANDEM_CHECK(items.size() == similarities.size());
      for (const int32_t other : items)
        TANDEM_CHECK(other >= 1 && other <= pairs.num_items(), "item {}", other);
    }
  } catch (const Error&) {
  }
  return 0;
}
