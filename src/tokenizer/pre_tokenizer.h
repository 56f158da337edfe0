// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "tokenizer/aligned_text.h"
#include "tokenizer/json_fields.h"

namespace tandem {

enum class PrependScheme { kAlways, kFirst, kNever };

// The steps from a stretch of normalised text to words. A step either edits a piece or cuts it.
class PreTokenizer {
 public:
  // No step: a stretch is one word.
  PreTokenizer();
  ~PreTokenizer();
  PreTokenizer(PreTokenizer&&) noexcept;
  PreTokenizer& operator=(PreTokenizer&&) noexcept;

  // tokenizer.json's "pre_tokenizer", sequences flattened. FormatError for a type that is not
  // known.
  static PreTokenizer from_json(const TokenizerJson& spec, std::string_view where);
  void add_split(const std::string& regex, std::string_view where);
  void add_metaspace(PrependScheme scheme, bool split);
  void set_byte_level() { byte_level_ = true; }

  // Calls word(text, begin, end) for every word of the stretch, in order.
  using Word = std::function<void(const AlignedText& text, size_t begin, size_t end)>;
  void split(AlignedText stretch, const Word& word) const;

  // The model's vocabulary is spelt in GPT-2's alphabet for bytes.
  bool byte_level() const { return byte_level_; }

 private:
  struct Step;
  void add_json(const TokenizerJson& spec, std::string_view where, int depth);
  void run(AlignedText& piece, size_t step, const Word& word) const;
  void cut(const AlignedText& text, size_t begin, size_t end, size_t step, const Word& word) const;

  std::vector<std::unique_ptr<Step>> steps_;
  bool byte_level_ = false;
};

}  // namespace tandem
