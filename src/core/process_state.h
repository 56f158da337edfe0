// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

namespace tandem {

// What a process has once. Program and training library are linked from the same code and hold it
// twice; the library takes over the program's.
struct ProcessState {
  std::atomic<bool> shows_progress{true};
  std::atomic<int> signal{0};  // SIGINT or SIGTERM since the outermost InterruptGuard; 0: none
  std::atomic<int> interrupt_guards{0};
};

ProcessState& process_state();
// From now on process_state() is `state`, which must outlive all calls. Before any other thread.
void share_process_state(ProcessState& state);

}  // namespace tandem
