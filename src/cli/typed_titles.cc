// SPDX-License-Identifier: Apache-2.0
#include "cli/typed_titles.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "data/fields.h"

namespace tandem {
namespace {

std::vector<std::string> read_array(std::string_view option, std::string_view text) {
  Json array;
  try {
    array = Json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    throw UsageError("{}: not a JSON array of titles: {}", option, error.what());
  }
  std::vector<std::string> titles;
  for (const Json& entry : array) {
    if (!entry.is_string() || trimmed(entry.get_ref<const std::string&>()).empty())
      throw UsageError("{}: the array holds {}, expected titles", option,
                       entry.dump().substr(0, 80));
    titles.emplace_back(trimmed(entry.get_ref<const std::string&>()));
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

CLI::Option* add_titles_option(CLI::App& verb, const std::string& name,
                               std::vector<std::string>& values, const std::string& help) {
  // Without extra arguments, for which CLI11 would cut "[REC]" into its parts.
  return verb.add_option(name, values, help)
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

bool is_blank(const std::vector<std::string>& values) {
  return values.size() == 1 && trimmed(values[0]).empty();
}

std::optional<std::vector<std::string>> whole_titles(std::string_view option,
                                                     const std::vector<std::string>& values) {
  if (values.size() == 1) {
    const std::string_view text = trimmed(values[0]);
    if (!text.starts_with('[') || !text.ends_with(']')) return std::nullopt;
    const std::string_view inside = trimmed(text.substr(1));
    // "[REC] (2007)" is a title.
    if (!inside.starts_with('"') && !inside.starts_with(']')) return std::nullopt;
    return read_array(option, text);
  }
  std::vector<std::string> titles;
  for (const std::string& value : values) {
    titles.emplace_back(trimmed(value));
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
    const std::string_view title = trimmed(std::string_view(text).substr(begin, end - begin));
    if (end < text.size() && ends_in_entity(title))
      throw UsageError(
          "{}: '{};' may be part of a title or end one; give {} once for each title, or a JSON "
          "array of them",
          option, title, option);
    if (!title.empty()) titles.emplace_back(title);
    begin = end + 1;
  }
  if (titles.size() > 1)
    spdlog::info("{}: read as {} titles, cut at each ;", option, titles.size());
  return titles;
}

}  // namespace tandem
