// SPDX-License-Identifier: Apache-2.0
#include "cli/help_format.h"

#include <fmt/format.h>

#include <algorithm>

namespace tandem {
namespace {

constexpr size_t kColumn = 26;  // where descriptions begin

// Name and description side by side, the description below when the name is too long.
std::string entry(const std::string& name, const std::string& description) {
  std::string text = "  " + name;
  if (description.empty()) return text + '\n';
  if (text.size() + 2 > kColumn) {
    text += '\n' + std::string(kColumn, ' ');
  } else {
    text.resize(kColumn, ' ');
  }
  return text + wrapped(description, kColumn, kColumn) + '\n';
}

// Where the rest of a long line goes: below the last column of a table, or two further in.
size_t hanging_indent(std::string_view line) {
  const size_t leading = std::min(line.find_first_not_of(' '), line.size());
  const size_t gap = line.substr(0, kHelpWidth / 2).rfind("  ");
  if (gap != std::string_view::npos && gap >= leading) return gap + 2;
  return leading == 0 ? 0 : leading + 2;
}

std::string wrapped_command(std::string_view line, size_t indent, size_t width) {
  std::string text = wrapped(line, 0, indent + 2, width - 2);
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 3)
    text.replace(at, 1, " \\\n");
  return text;
}

// An option's type as CLI11 has it: "TEXT", with a check "INT:INT in [0 - 1024]", "TEXT:FILE",
// "TEXT:PATH(existing)", "TEXT:{a,b}". Of the checks what is read at a glance stays.
std::string type_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t colon = type.find(':');
  if (colon == std::string::npos) return type;
  const std::string check = type.substr(colon + 1);
  if (check == "FILE" || check == "DIR") return check;
  return check == "PATH(existing)" ? "PATH" : type.substr(0, colon);
}

// "0 to 1024", or nothing for an option without limits.
std::string limits_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t open = type.find(" in ["), dash = type.find(" - ", open), close = type.rfind(']');
  if (open == std::string::npos || dash == std::string::npos || close == std::string::npos)
    return "";
  return fmt::format("{} to {}", type.substr(open + 5, dash - open - 5),
                     type.substr(dash + 3, close - dash - 3));
}

}  // namespace

std::string wrapped(std::string_view text, size_t at, size_t indent, size_t width) {
  std::string result;
  bool first_word = true;
  for (size_t begin = 0; begin < text.size();) {
    // A word with the blanks before it: those of a line's beginning stay, those at a break go.
    const size_t word = std::min(text.find_first_not_of(' ', begin), text.size());
    const size_t end = std::min(text.find(' ', word), text.size());
    if (word == text.size()) break;
    if (!first_word && at + (end - begin) > width) {
      result += '\n' + std::string(indent, ' ');
      result += text.substr(word, end - word);
      at = indent + (end - word);
    } else {
      result += text.substr(begin, end - begin);
      at += end - begin;
    }
    first_word = false;
    begin = end;
  }
  return result;
}

std::string wrapped_lines(std::string_view text, size_t width) {
  std::string result;
  while (!text.empty()) {
    const size_t size = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, size);
    const size_t leading = std::min(line.find_first_not_of(' '), line.size());
    if (line.size() <= width) {
      result += line;
    } else if (line.substr(leading).starts_with("tandem ")) {
      result += wrapped_command(line, leading, width);
    } else {
      result += wrapped(line, 0, hanging_indent(line), width);
    }
    if (size < text.size()) result += '\n';
    text.remove_prefix(std::min(size + 1, text.size()));
  }
  return result;
}

std::vector<std::string> choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t open = type.find('{'), close = type.rfind('}');
  std::vector<std::string> choices;
  if (open == std::string::npos || close == std::string::npos || close < open) return choices;
  for (size_t begin = open + 1; begin <= close;) {
    const size_t end = std::min(type.find(',', begin), close);
    choices.push_back(type.substr(begin, end - begin));
    begin = end + 1;
  }
  return choices;
}

// One empty line between two parts, where CLI11 has two before a group of options.
std::string HelpFormat::make_help(const CLI::App* app, std::string name,
                                  CLI::AppFormatMode mode) const {
  std::string text = CLI::Formatter::make_help(app, std::move(name), mode);
  for (size_t at = 0; (at = text.find("\n\n\n", at)) != std::string::npos;) text.erase(at, 1);
  return text;
}

std::string HelpFormat::make_description(const CLI::App* app) const {
  const std::string text = wrapped_lines(app->get_description());
  return text.empty() ? text : text + '\n';
}

std::string HelpFormat::make_usage(const CLI::App* app, std::string name) const {
  std::string usage = CLI::Formatter::make_usage(app, std::move(name));
  usage.pop_back();  // the line end
  return '\n' + wrapped(usage, 0, 8) + '\n';
}

std::string HelpFormat::make_footer(const CLI::App* app) const {
  const std::string text = wrapped_lines(app->get_footer());
  return text.empty() ? text : text + '\n';
}

// The first paragraph of the verb's description.
std::string HelpFormat::make_subcommand(const CLI::App* sub) const {
  std::string text = sub->get_description();
  text = text.substr(0, text.find("\n\n"));
  std::replace(text.begin(), text.end(), '\n', ' ');
  return entry(sub->get_name(), text);
}

std::string HelpFormat::make_option(const CLI::Option* option, bool is_positional) const {
  std::string name = option->get_name(is_positional, !is_positional);
  std::string text = option->get_description();
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
  if (option->get_type_size() != 0) {
    if (!type_of(*option).empty()) name += ' ' + type_of(*option);
    if (const auto choices = choices_of(*option); !choices.empty())
      add(fmt::format("one of {}", fmt::join(choices, ", ")));
    if (const std::string limits = limits_of(*option); !limits.empty()) add(limits);
    if (!option->get_default_str().empty()) add("default " + option->get_default_str());
    if (option->get_required()) add("required");
  }
  std::vector<std::string> needs, excludes;
  for (const CLI::Option* other : option->get_needs()) needs.push_back(other->get_name());
  for (const CLI::Option* other : option->get_excludes()) excludes.push_back(other->get_name());
  if (!needs.empty()) add(fmt::format("needs {}", fmt::join(needs, ", ")));
  if (!excludes.empty()) add(fmt::format("not with {}", fmt::join(excludes, ", ")));
  return entry(name, text);
}

}  // namespace tandem
