// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

inline constexpr size_t kHelpWidth = 80;

// Breaks a text at blanks so that no line is longer than width, words apart that are longer
// themselves. The first line begins at column `at`; the others are indented by `indent`.
std::string wrapped(std::string_view text, size_t at, size_t indent, size_t width = kHelpWidth);

// The same for a text with lines of its own, of which only the long ones are broken: the rest of a
// table's line goes below its last column, that of a command follows a backslash.
std::string wrapped_lines(std::string_view text, size_t width = kHelpWidth);

// The values that an option takes when they are a closed list, else nothing.
std::vector<std::string> choices_of(const CLI::Option& option);

// Help of at most 80 columns: names at the left, descriptions wrapped at the right, choices in the
// description.
class HelpFormat : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;
  std::string make_description(const CLI::App* app) const override;
  std::string make_usage(const CLI::App* app, std::string name) const override;
  std::string make_footer(const CLI::App* app) const override;
  std::string make_subcommand(const CLI::App* sub) const override;
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
};

}  // namespace tandem
