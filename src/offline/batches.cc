// SPDX-License-Identifier: Apache-2.0
#include "offline/batches.h"

#include <algorithm>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"

namespace tandem {

void in_batches(const BatchWork& what, int64_t count,
                const std::function<void(int64_t begin, int64_t end)>& work) {
  constexpr int64_t kAtOnce = 1920;
  Progress progress(what.label, count, what.unit);
  for (int64_t begin = 0; begin < count; begin += kAtOnce) {
    if (interrupted()) throw Stopped("{}; nothing was written", what.stopped);
    const int64_t end = std::min(begin + kAtOnce, count);
    work(begin, end);
    progress.update(end);
  }
  progress.finish();
}

}  // namespace tandem
