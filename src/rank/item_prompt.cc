// SPDX-License-Identifier: Apache-2.0
#include "rank/item_prompt.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>

#include "core/error.h"
#include "core/json.h"
#include "core/sha256.h"
#include "core/spelling.h"
#include "data/text_source.h"

namespace tandem {
namespace {

// pandas.read_csv's na_values.
constexpr std::array<std::string_view, 19> kMissing = {
    "",     "#N/A", "#N/A N/A", "#NA",  "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A",  "NA",       "NULL", "NaN",     "None",     "n/a",  "nan",  "null"};

bool is_missing(std::string_view value) {
  return std::ranges::find(kMissing, value) != kMissing.end();
}

// All of the text as one number; pandas reads a leading plus.
template <class T>
std::optional<T> number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const size_t first = text.starts_with('-') ? 1 : 0;
  if (text.size() == first || (text[first] != '.' && (text[first] < '0' || text[first] > '9')))
    return std::nullopt;  // words like inf
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<bool> truth(std::string_view text) {
  if (text == "True" || text == "TRUE" || text == "true") return true;
  if (text == "False" || text == "FALSE" || text == "false") return false;
  return std::nullopt;
}

// Python's repr: the shortest digits that give the number back, with a point in any case.
std::string python_text(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_not_of("-0123456789") == text.npos) text += ".0";
  return text;
}

std::vector<ItemFields> read_fields(const Dataset& dataset, const std::vector<std::string>& keys) {
  const fs::path path = dataset.folder() / "items.jsonl";
  TextSource source(path);
  std::vector<ItemFields> items;
  std::set<std::string> known;
  for (; !source.peek_line().empty(); source.take_line()) {
    const std::string where = fmt::format("{}:{}", source.name(), source.line() + 1);
    const Json line = parse_json(source.peek_line(), where);
    ItemFields item;
    if (!line.is_object()) throw FormatError("{}: found no object, expected one an item", where);
    for (const auto& [key, value] : line.items()) {
      if (key == "item" || key == "item_id") continue;
      known.insert(key);
      item.in_source |= value.is_string() && !value.get_ref<const std::string&>().empty();
    }
    for (const std::string& key : keys)
      item.values.push_back(json_get_or<std::string>(line, key, "", where));
    items.push_back(std::move(item));
  }
  if (std::ssize(items) != dataset.num_items())
    throw FormatError("{}: found {} lines, expected {}", path.string(), items.size(),
                      dataset.num_items());
  for (const std::string& key : keys) {
    if (known.contains(key) && key != "item" && key != "item_id") continue;
    const std::vector<std::string> names(known.begin(), known.end());
    throw ConfigError("item text: no item of {} has a field '{}', expected some of {}{}",
                      dataset.folder().string(), key, fmt::join(names, ", "),
                      did_you_mean(key, names));
  }
  return items;
}

}  // namespace

void ItemPromptConfig::validate(std::string_view where) const {
  if (keys.empty()) throw ConfigError("{}: no field is named, expected at least one", where);
  for (auto key = keys.begin(); key != keys.end(); ++key) {
    if (key->empty()) throw ConfigError("{}: a field's name is empty", where);
    if (std::find(keys.begin(), key, *key) != key)
      throw ConfigError("{}: field '{}' is named twice", where, *key);
  }
  if (max_tokens < 1 || max_tokens > (1 << 20))
    throw ConfigError("{}: the longest text is {} tokens, expected 1 to {}", where, max_tokens,
                      1 << 20);
}

ItemTexts::ItemTexts(const Dataset& dataset, ItemPromptConfig config) : config_(std::move(config)) {
  config_.validate("item text");
  build(read_fields(dataset, config_.keys));
}

ItemTexts::ItemTexts(std::span<const ItemFields> items, ItemPromptConfig config)
    : config_(std::move(config)) {
  config_.validate("item text");
  build(items);
}

void ItemTexts::build(std::span<const ItemFields> items) {
  for (size_t i = 0; i < items.size(); ++i)
    if (items[i].in_source && items[i].values.size() != config_.keys.size())
      throw ShapeError("item text: item {} has {} values, expected {}", i + 1,
                       items[i].values.size(), config_.keys.size());
  for (size_t key = 0; key < config_.keys.size(); ++key)
    columns_.push_back(config_.pandas ? column_type(items, key) : Column::kText);
  texts_.reserve(items.size() + 1);
  texts_.emplace_back();
  for (const ItemFields& item : items) texts_.push_back(text_of(item));
}

ItemTexts::Column ItemTexts::column_type(std::span<const ItemFields> items, size_t key) {
  bool gap = false, any = false, whole = true, real = true, truths = true;
  for (const ItemFields& item : items) {
    if (!item.in_source) continue;
    const std::string& value = item.values[key];
    if (is_missing(value)) {
      gap = true;
      continue;
    }
    any = true;
    whole = whole && number<int64_t>(value);
    real = real && number<double>(value);
    truths = truths && truth(value);
  }
  if (!any) return Column::kText;
  if (whole && !gap) return Column::kWhole;
  if (real) return Column::kReal;
  return truths ? Column::kTruth : Column::kText;
}

std::string ItemTexts::pandas_value(Column type, const std::string& value) {
  if (is_missing(value)) return "";
  if (type == Column::kWhole) {
    if (const auto read = number<int64_t>(value)) return *read == 0 ? "" : fmt::format("{}", *read);
  } else if (type == Column::kReal) {
    if (const auto read = number<double>(value)) return *read == 0 ? "" : python_text(*read);
  } else if (type == Column::kTruth) {
    if (const auto read = truth(value)) return *read ? "True" : "";
  }
  return value;
}

std::string ItemTexts::text_of(const ItemFields& item) const {
  if (!item.in_source) return "";
  if (item.values.size() != config_.keys.size())
    throw ShapeError("item text: an item has {} values, expected {}", item.values.size(),
                     config_.keys.size());
  std::string text = config_.prompt;
  for (size_t key = 0; key < item.values.size(); ++key) {
    const std::string value =
        config_.pandas ? pandas_value(columns_[key], item.values[key]) : item.values[key];
    if (!value.empty()) text += fmt::format("{}: {}", config_.keys[key], value);
  }
  return text;
}

std::vector<int32_t> ItemTexts::ids(std::string_view text, const Tokenizer& tokenizer) const {
  std::vector<int32_t> ids = tokenizer.encode(text, {.add_special = true});
  if (std::ssize(ids) > config_.max_tokens) ids.resize(config_.max_tokens);
  ids.push_back(kItemPlaceholder);
  return ids;
}

std::string ItemTexts::fingerprint() const {
  Sha256 hash;
  hash.add(fmt::format("{}\n", config_.max_tokens));
  for (const std::string& text : texts_) hash.add(fmt::format("{} ", text.size())).add(text);
  return hash.hex();
}

}  // namespace tandem
