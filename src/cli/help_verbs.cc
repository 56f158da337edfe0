// SPDX-License-Identifier: Apache-2.0
// Verbs about the command line itself.
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/command_tree.h"
#include "cli/completion.h"
#include "cli/help_verbs.h"

namespace tandem {

void add_help_verbs(CLI::App& app) {
  CLI::App* help = app.add_subcommand("help", "Explain a verb, as its --help does");
  const auto words = std::make_shared<std::vector<std::string>>();
  help->add_option("verb", *words, "such as: eval, or: data import");
  help->callback([&app, words] {
    const Command command = find_command(app, *words);
    fmt::print("{}", command_help(command));
  });

  CLI::App* version = app.add_subcommand("version", "Print the version");
  version->callback([] { fmt::print("tandem {}\n", TANDEM_VERSION); });

  CLI::App* completion =
      app.add_subcommand("completion",
                         "Print a shell's completion script\n\n"
                         "To be read when the shell starts:\n"
                         "  bash  eval \"$(tandem completion bash)\" in ~/.bashrc\n"
                         "  zsh   eval \"$(tandem completion zsh)\" in ~/.zshrc\n"
                         "  fish  tandem completion fish | source in ~/.config/fish/config.fish");
  const auto shell = std::make_shared<std::string>();
  completion->add_option("shell", *shell, "the shell")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->callback([&app, shell] { fmt::print("{}", completion_script(app, *shell)); });
}

}  // namespace tandem
