// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tandem {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool special = false;
  bool single_word = false;             // only between characters that belong to no word
  bool lstrip = false, rstrip = false;  // takes the white space beside it along
  bool normalized = false;              // looked for in normalised text, in its own normalised form
};

// Finds tokens of a fixed text in running text: leftmost, then longest. Any number of tokens; the
// cost is the length of the text times the depth to which it follows the trie.
class AddedTokenMatcher {
 public:
  // pattern is what to look for, token what it stands for; empty patterns never match.
  void add(std::string_view pattern, const AddedToken& token);
  bool empty() const { return tokens_.empty(); }

  // Calls plain(begin, end) and token(token, begin, end) in order over the whole text. Special
  // tokens are passed over unless parse_special.
  void split(std::string_view text, bool parse_special,
             const std::function<void(size_t, size_t)>& plain,
             const std::function<void(const AddedToken&, size_t, size_t)>& token) const;

 private:
  std::vector<AddedToken> tokens_;
  std::unordered_map<uint64_t, uint32_t> children_;  // node << 8 | byte to node
  std::vector<int32_t> token_of_node_{-1};
  std::array<bool, 256> first_bytes_{};
};

}  // namespace tandem
