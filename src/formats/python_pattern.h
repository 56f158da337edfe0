// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace tandem {

// A regular expression in the syntax of Python's `re`, as configuration files of Hugging Face's
// libraries hold them. What Python refuses, or means otherwise than PCRE2 and cannot be put into
// its words, is refused. Patterns come from files: backtracking without end gives up.
class PythonPattern {
 public:
  // head and tail are put around the pattern as they stand, as in rf"(.*\.)?({pattern})$". Throws
  // FormatError with the pattern, the reason and `where`.
  PythonPattern(std::string_view pattern, std::string_view where, std::string_view head = "",
                std::string_view tail = "");
  ~PythonPattern();
  PythonPattern(PythonPattern&&) noexcept;

  // As re.match: from the text's begin; what follows is free. text is valid UTF-8. FormatError when
  // the pattern gives up.
  bool matches_begin(std::string_view text) const;

 private:
  struct Code;
  std::unique_ptr<Code> code_;
  std::string pattern_, where_;
};

}  // namespace tandem
