// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tandem {

// While one lives, SIGINT and SIGTERM set a flag instead of ending the process; a second signal
// ends it. Long work asks interrupted() between steps, saves its state and throws Interrupted, or
// throws Stopped where there is nothing to save. One may live within another: the flag and the
// handlers end with the outermost.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
};

bool interrupted();
// The signal that came, SIGINT or SIGTERM; 0 before one.
int interrupt_signal();

}  // namespace tandem
