// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/scratch.h"

#include <malloc.h>

namespace tandem {

void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the largest that glibc takes
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 16 << 20);
#endif
}

namespace {
[[maybe_unused]] const bool kept = (keep_freed_memory(), true);
}  // namespace

}  // namespace tandem
