// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/unicode.h"

namespace tandem {

// Byte range of the text that the caller gave.
struct ByteSpan {
  uint32_t begin = 0, end = 0;
};

// A stretch of text under rewriting, with the way back to its source: every byte knows the source
// bytes of the character it came from. Without tracking the spans are not kept, and rewriting costs
// no more than the text.
class AlignedText {
 public:
  // text stands at byte `begin` of the source.
  AlignedText(std::string_view text, size_t begin, bool tracked);

  const std::string& text() const { return text_; }
  bool tracked() const { return tracked_; }
  // Whether this is the beginning of the source.
  bool at_source_begin() const { return begin_ == 0; }

  // Source bytes of text()[begin, end); needs tracking.
  ByteSpan source(size_t begin, size_t end) const;
  AlignedText slice(size_t begin, size_t end) const;

  // Replaces the whole text (see CharChange).
  void rewrite(const std::vector<CharChange>& chars);
  void prepend(std::string_view prefix);
  void replace(std::string_view from, std::string_view to);
  // matches: ascending, disjoint, not empty.
  void replace(const std::vector<ByteSpan>& matches, std::string_view to);
  void filter(const std::function<bool(char32_t)>& keep);
  void strip(bool left, bool right);

 private:
  AlignedText() = default;
  void check_size(size_t size) const;

  std::string text_;
  std::vector<ByteSpan> spans_;  // one a byte, when tracked
  size_t begin_ = 0;
  size_t max_size_ = 0;
  bool tracked_ = false;
};

}  // namespace tandem
