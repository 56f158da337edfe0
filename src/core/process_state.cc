// SPDX-License-Identifier: Apache-2.0
#include "core/process_state.h"

namespace tandem {
namespace {

ProcessState own;
ProcessState* current = &own;

}  // namespace

ProcessState& process_state() { return *current; }

void share_process_state(ProcessState& state) { current = &state; }

}  // namespace tandem
