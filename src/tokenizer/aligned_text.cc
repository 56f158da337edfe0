// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/aligned_text.h"

#include <algorithm>

#include "core/error.h"

namespace tandem {

AlignedText::AlignedText(std::string_view text, size_t begin, bool tracked)
    : text_(text), begin_(begin), max_size_(64 * text.size() + (1 << 20)), tracked_(tracked) {
  if (!tracked) return;
  spans_.resize(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t length =
        std::min(char_length(static_cast<unsigned char>(text[at])), text.size() - at);
    const ByteSpan span{static_cast<uint32_t>(begin + at),
                        static_cast<uint32_t>(begin + at + length)};
    std::fill_n(spans_.begin() + static_cast<ptrdiff_t>(at), length, span);
    at += length;
  }
}

void AlignedText::check_size(size_t size) const {
  if (size > max_size_) {
    throw DataError("the tokenizer's rules make a text of {} bytes from one of {}", size,
                    (max_size_ - (1 << 20)) / 64);
  }
}

ByteSpan AlignedText::source(size_t begin, size_t end) const {
  if (spans_.empty()) return {static_cast<uint32_t>(begin_), static_cast<uint32_t>(begin_)};
  if (begin >= end) {
    const uint32_t at = begin < spans_.size() ? spans_[begin].begin : spans_.back().end;
    return {at, at};
  }
  return {spans_[begin].begin, spans_[end - 1].end};
}

AlignedText AlignedText::slice(size_t begin, size_t end) const {
  AlignedText piece;
  piece.text_ = text_.substr(begin, end - begin);
  piece.tracked_ = tracked_;
  piece.max_size_ = max_size_;
  if (tracked_) {
    piece.spans_.assign(spans_.begin() + static_cast<ptrdiff_t>(begin),
                        spans_.begin() + static_cast<ptrdiff_t>(end));
    piece.begin_ = piece.spans_.empty() ? begin_ : piece.spans_.front().begin;
  } else {
    piece.begin_ = begin_ + begin;
  }
  return piece;
}

void AlignedText::rewrite(const std::vector<CharChange>& chars) {
  std::string text;
  text.reserve(text_.size());
  std::vector<ByteSpan> spans;
  if (tracked_) spans.reserve(spans_.size());
  const ByteSpan nowhere{static_cast<uint32_t>(begin_), static_cast<uint32_t>(begin_)};
  size_t at = 0;  // in the text before
  const auto skip_char = [&] {
    if (at < text_.size()) at += char_length(static_cast<unsigned char>(text_[at]));
  };
  for (const auto& [c, change] : chars) {
    const size_t before = text.size();
    append_char(text, c);
    check_size(text.size());
    if (!tracked_) continue;
    ByteSpan span = nowhere;
    if (change > 0) {
      if (at > 0) span = spans_[std::min(at, spans_.size()) - 1];
    } else {
      if (at < spans_.size()) span = spans_[at];
      for (int i = 0; i <= -change; ++i) skip_char();
    }
    spans.insert(spans.end(), text.size() - before, span);
  }
  text_ = std::move(text);
  spans_ = std::move(spans);
}

void AlignedText::prepend(std::string_view prefix) {
  if (text_.empty()) return;
  check_size(text_.size() + prefix.size());
  text_.insert(0, prefix);
  if (tracked_) spans_.insert(spans_.begin(), prefix.size(), ByteSpan(spans_.front()));
}

void AlignedText::replace(std::string_view from, std::string_view to) {
  if (from.empty() || text_.find(from) == std::string::npos) return;
  if (!tracked_) {
    std::string text;
    text.reserve(text_.size() + text_.size() / 4);
    size_t done = 0;
    for (size_t at; (at = text_.find(from, done)) != std::string::npos; done = at + from.size()) {
      text.append(text_, done, at - done).append(to);
      check_size(text.size());
    }
    text_ = text.append(text_, done);
    return;
  }
  std::vector<ByteSpan> matches;
  for (size_t at = 0; (at = text_.find(from, at)) != std::string::npos; at += from.size()) {
    matches.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(at + from.size())});
  }
  replace(matches, to);
}

void AlignedText::replace(const std::vector<ByteSpan>& matches, std::string_view to) {
  std::string text;
  text.reserve(text_.size());
  std::vector<ByteSpan> spans;
  size_t done = 0;
  const auto copy_until = [&](size_t end) {
    text.append(text_, done, end - done);
    if (tracked_) {
      spans.insert(spans.end(), spans_.begin() + static_cast<ptrdiff_t>(done),
                   spans_.begin() + static_cast<ptrdiff_t>(end));
    }
  };
  for (const ByteSpan& match : matches) {
    copy_until(match.begin);
    check_size(text.size() + to.size());
    text.append(to);
    // What is inserted shares the source of the last character it replaces.
    if (tracked_) spans.insert(spans.end(), to.size(), spans_[match.end - 1]);
    done = match.end;
  }
  copy_until(text_.size());
  text_ = std::move(text);
  spans_ = std::move(spans);
}

void AlignedText::filter(const std::function<bool(char32_t)>& keep) {
  std::string text;
  std::vector<ByteSpan> spans;
  for (size_t at = 0; at < text_.size();) {
    const size_t begin = at;
    if (!keep(next_char(text_, at))) continue;
    text.append(text_, begin, at - begin);
    if (tracked_) {
      spans.insert(spans.end(), spans_.begin() + static_cast<ptrdiff_t>(begin),
                   spans_.begin() + static_cast<ptrdiff_t>(at));
    }
  }
  text_ = std::move(text);
  spans_ = std::move(spans);
}

void AlignedText::strip(bool left, bool right) {
  size_t begin = text_.size(), end = 0;
  for (size_t at = 0; at < text_.size();) {
    const size_t here = at;
    if (is_whitespace(next_char(text_, at))) continue;
    begin = std::min(begin, here);
    end = at;
  }
  if (begin > end) begin = end = left ? text_.size() : 0;
  if (!left) begin = 0;
  if (!right) end = text_.size();
  if (begin > end) begin = end;
  *this = slice(begin, end);
}

}  // namespace tandem
