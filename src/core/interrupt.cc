// SPDX-License-Identifier: Apache-2.0
#include "core/interrupt.h"

#include <atomic>
#include <csignal>

namespace tandem {
namespace {

std::atomic<bool> flag{false};

void on_signal(int signal) {
  if (flag.exchange(true)) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
}

}  // namespace

InterruptGuard::InterruptGuard() {
  flag = false;
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

InterruptGuard::~InterruptGuard() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

bool interrupted() { return flag; }

}  // namespace tandem
