// SPDX-License-Identifier: Apache-2.0
#include "cli/named_items.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>

#include "core/error.h"
#include "core/spelling.h"

namespace tandem {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

std::string trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\n");
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(" \t\n") - begin + 1));
}

// Up to three titles that a person may have meant: those that hold the words, else the nearest by
// spelling.
std::string suggestions(const Dataset& dataset, const std::string& wanted) {
  std::vector<std::string> found, titles;
  for (int32_t item = 1; item <= dataset.num_items(); ++item) {
    const std::string title(dataset.title(item));
    if (found.size() < 3 && lower(title).find(wanted) != std::string::npos) found.push_back(title);
    titles.push_back(lower(title));
  }
  if (found.empty()) {
    const std::string nearest = nearest_word(wanted, titles);
    const auto at = std::ranges::find(titles, nearest);
    if (!nearest.empty() && at != titles.end())
      found.emplace_back(dataset.title(static_cast<int32_t>(at - titles.begin()) + 1));
  }
  if (found.empty()) return "";
  std::string text = "; did you mean";
  for (size_t i = 0; i < found.size(); ++i)
    text += fmt::format("{} '{}'", i == 0 ? "" : ",", found[i]);
  return text + "?";
}

// A title (in any case), or an item id.
int32_t find_title(const Dataset& dataset, const std::string& text) {
  const std::string wanted = lower(text);
  for (int32_t item = 1; item <= dataset.num_items(); ++item)
    if (lower(dataset.title(item)) == wanted) return item;
  if (const auto item = dataset.find_item(text)) return *item;
  throw DataError("{}: no item has the title or id '{}'{}", dataset.folder().string(), text,
                  suggestions(dataset, wanted));
}

}  // namespace

std::vector<std::string> split_titles(const std::string& text) {
  std::vector<std::string> titles;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(';', begin), text.size());
    std::string title = trimmed(std::string_view(text).substr(begin, end - begin));
    if (!title.empty()) titles.push_back(std::move(title));
    begin = end + 1;
  }
  return titles;
}

std::vector<int32_t> parse_history(const Dataset& dataset, const std::string& text) {
  std::vector<int32_t> items;
  for (const std::string& title : split_titles(text)) items.push_back(find_title(dataset, title));
  if (items.empty())
    throw UsageError("--history names no item; write titles with a ; between them");
  return items;
}

int64_t find_user(const Dataset& dataset, const std::string& id, const std::string& remedy) {
  if (const auto user = dataset.find_user(id)) return *user;
  constexpr int64_t kSearched = 100'000;  // spelling is compared with this many ids at most
  std::vector<std::string> ids;
  for (int64_t user = 0; user < std::min(dataset.num_users(), kSearched); ++user)
    ids.emplace_back(dataset.user_id(user));
  throw DataError("{}: there is no user '{}'{}{}", dataset.folder().string(), id,
                  did_you_mean(id, ids), remedy);
}

}  // namespace tandem
