// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace tandem {

// A shell's script that completes verbs, options and options' closed lists of values, made from the
// command line as it is defined; everything else completes as file names. shell: bash, zsh or fish.
std::string completion_script(const CLI::App& root, const std::string& shell);

}  // namespace tandem
