// SPDX-License-Identifier: Apache-2.0
#include "cli/typed_titles.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"

namespace tandem {
namespace {

constexpr std::string_view kBlanks = " \t\n";

std::vector<std::string> read_array(std::string_view option, const std::string& text) {
  Json array;
  try {
    array = Json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    throw UsageError("{}: not a JSON array of titles: {}", option, error.what());
  }
  std::vector<std::string> titles;
  for (const Json& entry : array) {
    if (!entry.is_string() || trimmed(entry.get<std::string>()).empty())
      throw UsageError("{}: the array holds {}, expected titles", option,
                       entry.dump().substr(0, 80));
    titles.push_back(trimmed(entry.get<std::string>()));
  }
  return titles;
}

// Whether the piece before a ; ends as an HTML entity does: "Rock &amp", "Caf&#233".
bool ends_in_entity(std::string_view piece) {
  const size_t at = piece.rfind('&');
  return at != std::string_view::npos && at + 1 < piece.size() &&
         std::ranges::all_of(piece.substr(at + 1),
                             [](unsigned char c) { return std::isalnum(c) || c == '#'; });
}

}  // namespace

std::string trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1));
}

CLI::Option* add_titles_option(CLI::App& verb, const std::string& name,
                               std::vector<std::string>& values, const std::string& help) {
  // Without extra arguments, for which CLI11 would cut "[REC]" into its parts.
  return verb.add_option(name, values, help)
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

std::optional<std::vector<std::string>> whole_titles(std::string_view option,
                                                     const std::vector<std::string>& values) {
  if (values.size() == 1) {
    const std::string text = trimmed(values[0]);
    // "[REC] (2007)" is a title.
    const size_t inside = text.find_first_not_of(kBlanks, 1);
    const bool is_array = text.starts_with('[') && text.ends_with(']') &&
                          inside != std::string::npos &&
                          (text[inside] == '"' || text[inside] == ']');
    if (!is_array) return std::nullopt;
    return read_array(option, text);
  }
  std::vector<std::string> titles;
  for (const std::string& value : values) {
    titles.push_back(trimmed(value));
    if (titles.back().empty())
      throw UsageError("{}: given {} times, once without a title", option, values.size());
  }
  return titles;
}

std::vector<std::string> free_titles(std::string_view option,
                                     const std::vector<std::string>& values) {
  if (auto whole = whole_titles(option, values)) return *whole;
  const std::string& text = values.at(0);
  std::vector<std::string> titles;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(';', begin), text.size());
    std::string title = trimmed(std::string_view(text).substr(begin, end - begin));
    if (end < text.size() && ends_in_entity(title))
      throw UsageError(
          "{}: '{};' may be part of a title or end one; give {} once for each title, or a JSON "
          "array of them",
          option, title, option);
    if (!title.empty()) titles.push_back(std::move(title));
    begin = end + 1;
  }
  if (titles.size() > 1)
    spdlog::info("{}: read as {} titles, cut at each ;", option, titles.size());
  return titles;
}

}  // namespace tandem
