// SPDX-License-Identifier: Apache-2.0
// The input is a candidate file. What is accepted holds what a ranker relies on: every candidate is
// an item, best first.
#include <cstdint>

#include "core/check.h"
#include "core/error.h"
#include "eval/candidates.h"
#include "fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  try {
    const MemoryFile input(data, size);
    const CandidateSet set = read_candidates(input.path());
    int64_t held = 0;
    for (int64_t user = 0; user < set.num_users; ++user) {
      held += set.holds_target(user);
      for (const int32_t item : set.items_of(user)) {
        TANDEM_CHECK(item >= 0 && item <= set.num_items, "item {}", item);
      }
    }
    TANDEM_CHECK(held <= set.num_users);
  } catch (const Error&) {
  }
  return 0;
}
