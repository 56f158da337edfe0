// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace tandem {

// A Unicode regular expression, compiled once (PCRE2 with JIT). Safe for concurrent use.
class Regex {
 public:
  // Throws FormatError that names `where` and the place of the mistake.
  Regex(const std::string& pattern, std::string_view where);
  ~Regex();
  Regex(Regex&&) noexcept;

  // Calls found(begin, end), bytes, for every non-overlapping match from the left; empty ones are
  // skipped. text is valid UTF-8. Throws DataError when the pattern gives up (backtracking limit).
  template <typename Found>
  void for_each_match(std::string_view text, Found&& found) const {
    Matcher matcher(*this);
    size_t begin = 0, end = 0;
    for (size_t at = 0; matcher.next(text, at, begin, end);) {
      if (end > begin) found(begin, end);
      at = end > begin ? end : begin + 1;
      while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
      if (at > text.size()) break;
    }
  }

 private:
  struct State;
  // The memory of one scan.
  class Matcher {
   public:
    explicit Matcher(const Regex& regex);
    ~Matcher();
    Matcher(const Matcher&) = delete;
    Matcher& operator=(const Matcher&) = delete;
    bool next(std::string_view text, size_t from, size_t& begin, size_t& end);

   private:
    const State& state_;
    void* data_;
    void* context_;
    void* stack_;
  };

  std::unique_ptr<State> state_;
};

}  // namespace tandem
