// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

namespace tandem {

// Verbs about the command line itself: help, version, completion. After all others are added.
void add_help_verbs(CLI::App& app);

}  // namespace tandem
