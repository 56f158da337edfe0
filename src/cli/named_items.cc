// SPDX-License-Identifier: Apache-2.0
#include "cli/named_items.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "cli/typed_titles.h"
#include "core/error.h"
#include "core/log.h"
#include "core/spelling.h"
#include "data/fields.h"

namespace tandem {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
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

// Titles (in any case) and item ids of a data set.
class Names {
 public:
  explicit Names(const Dataset& dataset) : dataset_(dataset) {
    for (int32_t item = 1; item <= dataset.num_items(); ++item) {
      const std::string title = lower(dataset.title(item));
      titles_.emplace(title, item);
      count_semicolons(title);
      count_semicolons(dataset.item_id(item));
    }
  }

  std::optional<int32_t> find(const std::string& text) const {
    if (text.empty()) return std::nullopt;
    const auto title = titles_.find(lower(text));
    return title != titles_.end() ? std::optional(title->second) : dataset_.find_item(text);
  }
  int32_t need(const std::string& text, std::string_view remedy) const {
    if (const auto item = find(text)) return *item;
    throw DataError("{}: no item has the title or id '{}'{}{}", dataset_.folder().string(), text,
                    suggestions(dataset_, lower(text)), remedy);
  }
  // The most ; that a name holds.
  size_t most_semicolons() const { return most_semicolons_; }

 private:
  void count_semicolons(std::string_view name) {
    const auto count = static_cast<size_t>(std::ranges::count(name, ';'));
    most_semicolons_ = std::max(most_semicolons_, count);
  }

  const Dataset& dataset_;
  std::unordered_map<std::string, int32_t> titles_;
  size_t most_semicolons_ = 0;
};

// A text cut at some of its ; so that every part is a name.
class HistoryCut {
 public:
  HistoryCut(const std::string& text, const Names& names) : text_(text), names_(names) {
    ends_.push_back(0);
    for (size_t at = text.find(';'); at != std::string::npos; at = text.find(';', at + 1))
      ends_.push_back(at + 1);
    ends_.push_back(text.size() + 1);
    ways_.assign(ends_.size(), 0);
    last_.assign(ends_.size(), 0);
    ways_[0] = 1;
    for (size_t end = 1; end < ends_.size(); ++end) reach(end);
  }

  int ways() const { return ways_.back(); }  // 2 stands for more
  // One of the ways, as names.
  std::vector<std::string> parts() const {
    std::vector<std::string> result;
    for (size_t end = ends_.size() - 1; end > 0; end = last_[end])
      if (std::string part = between(last_[end], end); !part.empty())
        result.insert(result.begin(), std::move(part));
    return result;
  }
  // The first piece that begins no name, cut at every ;.
  std::string first_unknown() const {
    size_t begin = 0;
    for (size_t end = 0; end + 1 < ends_.size(); ++end)
      if (ways_[end] > 0) begin = end;
    return between(begin, begin + 1);
  }

 private:
  std::string between(size_t begin, size_t end) const {
    return std::string(
        trimmed(std::string_view(text_).substr(ends_[begin], ends_[end] - 1 - ends_[begin])));
  }
  void reach(size_t end) {
    for (size_t begin = end; begin-- > 0 && end - begin <= names_.most_semicolons() + 1;) {
      if (ways_[begin] == 0) continue;
      const std::string part = between(begin, end);
      const bool is_gap = part.empty() && end - begin == 1;
      if (!is_gap && !names_.find(part)) continue;
      ways_[end] = std::min(2, ways_[end] + ways_[begin]);
      last_[end] = begin;
    }
  }

  const std::string& text_;
  const Names& names_;
  std::vector<size_t> ends_;  // where a piece begins, one after the ; before it
  std::vector<int> ways_;     // to cut what lies before each
  std::vector<size_t> last_;  // where the last part of one of them begins
};

}  // namespace

std::vector<int32_t> parse_history(const Dataset& dataset, const std::vector<std::string>& values) {
  const Names names(dataset);
  std::vector<std::string> parts;
  std::string_view remedy;
  if (auto whole = whole_titles("--history", values)) {
    parts = std::move(*whole);
    if (values.size() > 1) remedy = "; --history given more than once is one title each time";
  } else {
    const HistoryCut cut(values.at(0), names);
    if (cut.ways() > 1)
      throw UsageError(
          "--history '{}' can be cut at its ; in more than one way, as titles hold ; too; give "
          "--history once for each title",
          values[0]);
    if (cut.ways() == 0 && values[0].find(';') != std::string::npos) {
      remedy = "; a title that holds a ; can be given whole, --history once for each title";
      parts = {cut.first_unknown()};
    } else {
      parts = cut.ways() == 0 ? std::vector{std::string(trimmed(values[0]))} : cut.parts();
    }
    if (parts.size() > 1) spdlog::info("--history: read as {} titles", parts.size());
  }
  std::vector<int32_t> items;
  for (const std::string& part : parts)
    if (!part.empty()) items.push_back(names.need(part, remedy));
  if (items.empty())
    throw UsageError(
        "--history names no item; give it once for each title, or titles with a ; between them");
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
