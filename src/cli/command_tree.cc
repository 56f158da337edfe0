// SPDX-License-Identifier: Apache-2.0
#include "cli/command_tree.h"

#include <algorithm>

#include "core/error.h"
#include "core/spelling.h"

namespace tandem {
namespace {

std::vector<const CLI::App*> children(const CLI::App& app) { return app.get_subcommands({}); }

void collect(const std::string& path, const CLI::App& app, std::vector<Command>& commands) {
  commands.push_back({path, &app});
  for (const CLI::App* child : children(app))
    collect(path + ' ' + child->get_name(), *child, commands);
}

std::string guess(const std::string& meant) {
  return meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant);
}

// A sub-verb typed without its verb, "import", else the verb spelt nearest.
std::string meant_verb(const CLI::App& root, const Command& command, const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::App* child : children(*command.app)) names.push_back(child->get_name());
  if (command.app == &root) {
    for (const Command& other : all_commands(root)) {
      if (other.app->get_parent() != &root && other.app != &root && other.app->get_name() == word)
        return other.path;
    }
  }
  return nearest_word(word, names);
}

}  // namespace

std::vector<Command> all_commands(const CLI::App& root) {
  std::vector<Command> commands;
  collect(root.get_name(), root, commands);
  return commands;
}

std::vector<std::string> long_options(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

Command typed_command(const CLI::App& root) {
  Command command{root.get_name(), &root};
  while (!command.app->get_subcommands().empty()) {
    command.app = command.app->get_subcommands().front();
    command.path += ' ' + command.app->get_name();
  }
  return command;
}

std::string command_help(const Command& command) {
  return command.app->get_formatter()->make_help(command.app, command.path,
                                                 CLI::AppFormatMode::Normal);
}

std::string unknown_word(const CLI::App& root, const Command& command, const std::string& word) {
  if (word.starts_with("-")) {
    const std::string name = word.substr(0, word.find('='));
    const std::string meant =
        name.starts_with("--") ? nearest_word(name, long_options(*command.app)) : "";
    return fmt::format("{} has no option '{}'{}", command.path, name, guess(meant));
  }
  if (children(*command.app).empty())
    return fmt::format("{}: unexpected argument '{}'", command.path, word);
  return fmt::format("{} has no verb '{}'{}", command.path, word,
                     guess(meant_verb(root, command, word)));
}

Command find_command(const CLI::App& root, const std::vector<std::string>& words) {
  Command command{root.get_name(), &root};
  for (const std::string& word : words) {
    const auto below = children(*command.app);
    const auto found = std::find_if(below.begin(), below.end(), [&](const CLI::App* child) {
      return child->get_name() == word;
    });
    if (found == below.end()) throw UsageError("{}", unknown_word(root, command, word));
    command = {command.path + ' ' + word, *found};
  }
  return command;
}

}  // namespace tandem
