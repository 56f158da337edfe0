// SPDX-License-Identifier: Apache-2.0
#include "core/interrupt.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace tandem {
namespace {

TEST(InterruptGuard, ASignalSetsTheFlagAndTheNextGuardClearsIt) {
  {
    const InterruptGuard guard;
    EXPECT_FALSE(interrupted());
    raise(SIGTERM);
    EXPECT_TRUE(interrupted());
    EXPECT_EQ(interrupt_signal(), SIGTERM);
  }
  const InterruptGuard guard;
  EXPECT_FALSE(interrupted());
  EXPECT_EQ(interrupt_signal(), 0);
}

// oneDNN's kernels use memory below the stack pointer, which a handler on the same stack destroys.
TEST(InterruptGuard, HandlersRunOnAStackOfTheirOwn) {
  const InterruptGuard guard;
  for (const int number : {SIGINT, SIGTERM}) {
    struct sigaction action {};
    ASSERT_EQ(sigaction(number, nullptr, &action), 0);
    EXPECT_NE(action.sa_flags & SA_ONSTACK, 0) << number;
  }
  stack_t stack{};
  ASSERT_EQ(sigaltstack(nullptr, &stack), 0);
  EXPECT_EQ(stack.ss_flags & SS_DISABLE, 0);
}

}  // namespace
}  // namespace tandem
