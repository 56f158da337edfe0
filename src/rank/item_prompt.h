// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"
#include "tokenizer/tokenizer.h"

namespace tandem {

// The placeholder behind an item's tokens, whose embedding HLLM replaces by its learned [ITEM]
// vector. Its id is never looked up.
inline constexpr int32_t kItemPlaceholder = 0;

// How HLLM writes an item down (Chen et al., "HLLM", 2024; github.com/bytedance/HLLM):
//
//   text = prompt + "key: value" for each key with a value      nothing between fields
struct ItemPromptConfig {
  std::string prompt;
  std::vector<std::string> keys = {"title"};  // fields of the data set's items.jsonl
  // The authors read the fields with pandas. Then words that pandas takes for a gap (None, NA, null,
  // nan, ...) are left out, and so are the number 0 and False; a column of whole numbers with a gap
  // is one of fractions: "2013.0". Off: a field is what the source has.
  bool pandas = false;
  int64_t max_tokens = 64;  // of a text; what is too long loses its end

  // ConfigError, beginning with `where`.
  void validate(std::string_view where) const;
};

// What an item has under each of the prompt's keys, as the source writes it; "" where nothing.
struct ItemFields {
  bool in_source = false;  // whether the source has a row of the item at all
  std::vector<std::string> values;
};

// The texts of items 1..N. An item without any value is the bare prompt; one of which the source
// knows nothing at all, and item 0, are the empty text. Memory of all texts; reading is one pass
// over items.jsonl. Safe for concurrent use.
class ItemTexts {
 public:
  // A row of items.jsonl without title and further fields counts as no row: the data set does not
  // tell them apart. pandas' types of columns are judged by the items that the data set kept.
  // ConfigError for a key that no item has, with the nearest one; FormatError for a broken
  // items.jsonl.
  ItemTexts(const Dataset& dataset, ItemPromptConfig config);
  // items[i - 1] is item i. ShapeError where an item has not as many values as there are keys.
  ItemTexts(std::span<const ItemFields> items, ItemPromptConfig config);

  int64_t num_items() const { return std::ssize(texts_) - 1; }
  // item in 0..N.
  const std::string& text(int32_t item) const { return texts_[item]; }
  // The text of an item that the data set lacks, its values written as its columns' are.
  std::string text_of(const ItemFields& item) const;
  // Tokens of a text, BOS included where the tokenizer has one: the first max_tokens, and the
  // placeholder behind them.
  std::vector<int32_t> ids(std::string_view text, const Tokenizer& tokenizer) const;
  std::vector<int32_t> ids(int32_t item, const Tokenizer& tokenizer) const {
    return ids(text(item), tokenizer);
  }

  const ItemPromptConfig& config() const { return config_; }
  // SHA-256 of all texts and of max_tokens: two item towers that read the same have equal ones.
  std::string fingerprint() const;

 private:
  enum class Column { kText, kWhole, kReal, kTruth };
  void build(std::span<const ItemFields> items);
  static Column column_type(std::span<const ItemFields> items, size_t key);
  static std::string pandas_value(Column type, const std::string& value);

  ItemPromptConfig config_;
  std::vector<Column> columns_;  // of each key
  std::vector<std::string> texts_;
};

}  // namespace tandem
