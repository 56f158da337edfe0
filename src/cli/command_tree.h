// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace tandem {

// A verb of the command line, "tandem" itself included.
struct Command {
  std::string path;  // "tandem data import"
  const CLI::App* app = nullptr;
};

// All of them, each before its sub-verbs, in the order in which they were added.
std::vector<Command> all_commands(const CLI::App& root);

// The verb that these words name, or UsageError with the nearest one there is.
Command find_command(const CLI::App& root, const std::vector<std::string>& words);

// The verb that was typed last: "tandem data import", or "tandem" alone.
Command typed_command(const CLI::App& root);

// What --help prints for it.
std::string command_help(const Command& command);

// What is wrong with a word that the verb does not know, and what may have been meant:
// "unknown verb 'recomend'; did you mean 'recommend'?".
std::string unknown_word(const CLI::App& root, const Command& command, const std::string& word);

// Options as they are typed, "--output", long names only.
std::vector<std::string> long_options(const CLI::App& app);

}  // namespace tandem
