// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

// A line that is not what its format says. Readers add file and line: "ratings.csv:7: found ...,
// expected ...".
struct BadLine {
  std::string found, expected;
};

// Text of a file inside a message: quoted, shortened, control characters and broken UTF-8 as '?'.
std::string excerpt(std::string_view text);

// Throws BadLine when the text is not UTF-8.
void check_utf8(std::string_view text);
bool valid_utf8(std::string_view text);

// Surrounding blanks removed; control characters (tab, line end, ...) become spaces. For titles and
// other texts.
std::string clean_text(std::string_view text);
std::string_view trimmed(std::string_view text);
// Bytes that may be no UTF-8 (a file's name), as text: each broken byte becomes U+FFFD.
std::string text_of_bytes(std::string_view bytes);
// Each byte as the character of that number.
std::string latin1_to_utf8(std::string_view bytes);

// Outside ids: trimmed, not empty, at most 1,024 bytes, no control characters. Throws BadLine.
std::string_view parse_id(std::string_view text, std::string_view column);
// A finite decimal number; empty text is kNoRating. Throws BadLine.
float parse_rating(std::string_view text);

// Splits at every separator, which is one or more characters long; no quoting.
void split_fields(std::string_view line, std::string_view separator,
                  std::vector<std::string_view>& fields);

// CSV as RFC 4180 has it: fields in double quotes may hold separators, line ends and doubled
// quotes, and quotes after a backslash (MySQL's exports) where they could not end the field. Fields
// are views into the text or, where quotes had to be undone, into the reader (until
// the next call).
class CsvReader {
 public:
  // line: number of the text's first line.
  CsvReader(std::string_view text, std::string_view separator, int64_t line = 1)
      : text_(text), separator_(separator), next_line_(line) {}

  // False at the end. Empty lines are skipped. Throws BadLine; reading then goes on at the next
  // line.
  bool next(std::vector<std::string_view>& fields);
  // Where the last record (also a bad one) began.
  int64_t line() const { return line_; }
  // The last record as it stands in the text.
  std::string_view record() const { return trimmed(text_.substr(begin_, at_ - begin_)); }

 private:
  std::string_view quoted_field(size_t& at, size_t record_end);
  void skip_to(size_t at);
  bool ends_at(size_t at) const;

  std::string_view text_;
  std::string separator_;
  int64_t line_ = 0, next_line_;
  size_t at_ = 0, begin_ = 0;
  std::deque<std::string> unquoted_;
};

}  // namespace tandem
