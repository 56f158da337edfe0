// SPDX-License-Identifier: Apache-2.0
#include "core/interrupt.h"

#include <signal.h>

#include "core/process_state.h"

namespace tandem {
namespace {

void on_signal(int number) {
  if (process_state().signal.exchange(number) != 0) {
    signal(number, SIG_DFL);
    raise(number);
  }
}

// Handlers run on a stack of their own. Just-in-time kernels of oneDNN 2.6 keep data further below
// the stack pointer than the 128 bytes that the system spares: a handler on the same stack
// overwrites it, and what they write then destroys the heap (measured: two of nine interrupted
// trainings, and every one with a signal a millisecond). Holds for the calling thread; signals go
// to the main one first.
void use_own_stack() {
  static char stack[1 << 16];
  stack_t present{};
  if (sigaltstack(nullptr, &present) == 0 && (present.ss_flags & SS_DISABLE) == 0) return;
  stack_t own{};
  own.ss_sp = stack;
  own.ss_size = sizeof stack;
  sigaltstack(&own, nullptr);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  if (process_state().interrupt_guards.fetch_add(1) > 0) return;
  process_state().signal = 0;
  use_own_stack();
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

InterruptGuard::~InterruptGuard() {
  if (process_state().interrupt_guards.fetch_sub(1) > 1) return;
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
}

bool interrupted() { return process_state().signal != 0; }

int interrupt_signal() { return process_state().signal; }

}  // namespace tandem
