// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

// Titles on the command line, where each may hold any character:
//   --history A --history B      the option once for each title, taken as it stands
//   --history '["A", "B"]'       a JSON array
//   --history "A; B"             one text with ; between them, as long as no title holds one

// An option that may be repeated, each time with one value.
CLI::Option* add_titles_option(CLI::App& verb, const std::string& name,
                               std::vector<std::string>& values, const std::string& help);

// Whether the option was given as one text with nothing in it.
bool is_blank(const std::vector<std::string>& values);

// The titles of an option that was repeated or holds a JSON array, without blanks around them;
// nothing for one text. UsageError for an array that holds no titles or is broken.
std::optional<std::vector<std::string>> whole_titles(std::string_view option,
                                                     const std::vector<std::string>& values);

// All titles where no catalogue says what a title is: a text is cut at each ;, which is told.
// UsageError when a ; ends an HTML entity ("&amp;"): that may be part of a title.
std::vector<std::string> free_titles(std::string_view option,
                                     const std::vector<std::string>& values);

}  // namespace tandem
