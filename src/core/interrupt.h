// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tandem {

// While one lives, SIGINT and SIGTERM set a flag instead of ending the process; a second signal
// ends it. Long work asks interrupted() between steps, saves its state and throws Interrupted. One
// may live within another: the flag and the handlers end with the outermost.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
};

bool interrupted();

}  // namespace tandem
