// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "tokenizer/unicode.h"

namespace tandem {
namespace {

char32_t last_char(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return next_char(text, at);
}

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && is_word_char(last_char(text.substr(0, begin)))) return false;
  return end == text.size() || !is_word_char(next_char(text, end));
}

}  // namespace

void AddedTokenMatcher::add(std::string_view pattern, const AddedToken& token) {
  if (pattern.empty()) return;
  uint32_t node = 0;
  for (const char c : pattern) {
    const uint64_t key = static_cast<uint64_t>(node) << 8 | static_cast<unsigned char>(c);
    const auto [child, fresh] =
        children_.try_emplace(key, static_cast<uint32_t>(token_of_node_.size()));
    if (fresh) token_of_node_.push_back(-1);
    node = child->second;
  }
  first_bytes_[static_cast<unsigned char>(pattern[0])] = true;
  if (token_of_node_[node] >= 0) return;  // the first of two equal patterns counts
  token_of_node_[node] = static_cast<int32_t>(tokens_.size());
  tokens_.push_back(token);
}

void AddedTokenMatcher::split(
    std::string_view text, bool parse_special, const std::function<void(size_t, size_t)>& plain,
    const std::function<void(const AddedToken&, size_t, size_t)>& token) const {
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    if (!first_bytes_[static_cast<unsigned char>(text[at])]) {
      ++at;
      continue;
    }
    uint32_t node = 0;
    int32_t found = -1;
    size_t stop = at;
    for (size_t end = at; end < text.size();) {
      const auto child =
          children_.find(static_cast<uint64_t>(node) << 8 | static_cast<unsigned char>(text[end]));
      if (child == children_.end()) break;
      node = child->second;
      ++end;
      if (token_of_node_[node] >= 0) {
        found = token_of_node_[node];
        stop = end;
      }
    }
    if (found < 0) {
      ++at;
      continue;
    }
    const AddedToken& match = tokens_[found];
    size_t begin = at, end = stop;
    at = stop;
    if (match.special && !parse_special) continue;
    if (match.single_word && !stands_alone(text, begin, end)) continue;
    if (match.lstrip) {
      while (begin > done && is_whitespace(last_char(text.substr(0, begin)))) {
        do --begin;
        while (begin > done && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80);
      }
    }
    if (match.rstrip) {
      for (size_t next = end; next < text.size();) {
        if (!is_whitespace(next_char(text, next))) break;
        end = next;
      }
      at = std::max(at, end);
    }
    if (begin > done) plain(done, begin);
    token(match, begin, end);
    done = end;
  }
  if (done < text.size()) plain(done, text.size());
}

}  // namespace tandem
