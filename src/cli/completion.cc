// SPDX-License-Identifier: Apache-2.0
#include "cli/completion.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/command_tree.h"
#include "cli/help_format.h"

namespace tandem {
namespace {

// For single quotes in sh and fish.
std::string single_quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'') {
      result += "'\\''";
    } else {
      result += c;
    }
  }
  return result + '\'';
}

std::vector<std::string> verbs_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* child : app.get_subcommands({})) names.push_back(child->get_name());
  return names;
}

// -q and --quiet.
std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back(fmt::format("-{}", name));
  for (const std::string& name : option.get_lnames()) names.push_back(fmt::format("--{}", name));
  return names;
}

bool takes_value(const CLI::Option& option) { return option.get_type_size() != 0; }

// A pattern of `case` for the command and any of the option's names.
std::string case_pattern(const Command& command, const CLI::Option& option) {
  std::string pattern;
  for (const std::string& name : names_of(option))
    pattern += fmt::format("{}{}", pattern.empty() ? "" : "|",
                           single_quoted(fmt::format("{} {}", command.path, name)));
  return pattern;
}

constexpr const char* kBash = R"sh(# Completion of tandem for bash: eval "$(tandem completion bash)"
_tandem() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" at=tandem i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at ${{COMP_WORDS[i]}}" in
      {commands}) at="$at ${{COMP_WORDS[i]}}" ;;
    esac
  done
  # The value of an option: one of a list, or a file.
  case "$at $before" in
{values}  esac
  local verbs= options=
  case "$at" in
{words}  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) COMPREPLY=($(compgen -W "$verbs" -- "$word")) ;;
  esac
}}
complete -o default -F _tandem tandem
)sh";

std::string bash_script(const CLI::App& root) {
  std::string commands, values, words;
  for (const Command& command : all_commands(root)) {
    if (command.app != &root)
      commands += fmt::format("{}{}", commands.empty() ? "" : "|", single_quoted(command.path));
    words +=
        fmt::format("    {}) verbs={} options={} ;;\n", single_quoted(command.path),
                    single_quoted(fmt::format("{}", fmt::join(verbs_of(*command.app), " "))),
                    single_quoted(fmt::format("{}", fmt::join(long_options(*command.app), " "))));
    for (const CLI::Option* option : command.app->get_options()) {
      if (!takes_value(*option) || names_of(*option).empty()) continue;
      const auto choices = choices_of(*option);
      values += fmt::format("    {}) ", case_pattern(command, *option));
      if (!choices.empty())
        values += fmt::format("COMPREPLY=($(compgen -W {} -- \"$word\")); ",
                              single_quoted(fmt::format("{}", fmt::join(choices, " "))));
      values += "return ;;\n";
    }
  }
  return fmt::format(kBash, fmt::arg("commands", commands), fmt::arg("values", values),
                     fmt::arg("words", words));
}

// zsh runs bash's.
std::string zsh_script(const CLI::App& root) {
  return "# Completion of tandem for zsh: eval \"$(tandem completion zsh)\"\n"
         "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n" +
         bash_script(root);
}

constexpr const char* kFish = R"(# Completion of tandem for fish: tandem completion fish | source
# Whether the words typed so far name exactly this verb.
function __tandem_at
  set -l at tandem
  for word in (commandline -opc)[2..-1]
    switch "$at $word"
      case {commands}
        set at "$at $word"
    end
  end
  test "$at" = "$argv"
end
)";

std::string fish_script(const CLI::App& root) {
  std::string commands, lines;
  for (const Command& command : all_commands(root)) {
    if (command.app != &root)
      commands += fmt::format("{}{}", commands.empty() ? "" : " ", single_quoted(command.path));
    const std::string here = fmt::format(
        "complete -c tandem -n {} ", single_quoted(fmt::format("__tandem_at {}", command.path)));
    for (const CLI::App* child : command.app->get_subcommands({})) {
      const std::string text = child->get_description();
      lines += fmt::format("{}-f -a {} -d {}\n", here, child->get_name(),
                           single_quoted(text.substr(0, text.find('\n'))));
    }
    for (const CLI::Option* option : command.app->get_options()) {
      if (names_of(*option).empty()) continue;
      lines += here;
      for (const std::string& name : option->get_snames()) lines += fmt::format("-s {} ", name);
      for (const std::string& name : option->get_lnames()) lines += fmt::format("-l {} ", name);
      if (takes_value(*option)) lines += "-r ";
      if (const auto choices = choices_of(*option); !choices.empty())
        lines +=
            fmt::format("-f -a {} ", single_quoted(fmt::format("{}", fmt::join(choices, " "))));
      lines += fmt::format("-d {}\n", single_quoted(option->get_description()));
    }
  }
  return fmt::format(kFish, fmt::arg("commands", commands)) + lines;
}

}  // namespace

std::string completion_script(const CLI::App& root, const std::string& shell) {
  if (shell == "fish") return fish_script(root);
  return shell == "zsh" ? zsh_script(root) : bash_script(root);
}

}  // namespace tandem
