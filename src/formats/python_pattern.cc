// SPDX-License-Identifier: Apache-2.0
#define PCRE2_CODE_UNIT_WIDTH 8
#include "formats/python_pattern.h"

#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>
#include <cctype>
#include <new>

#include "core/error.h"

namespace tandem {
namespace {

constexpr uint32_t kMatchLimit = 200'000, kDepthLimit = 10'000, kHeapKib = 16 << 10;
constexpr size_t kLongestPattern = 4096;

// Writes a Python pattern in PCRE2's words. Groups, repeats and assertions are the same in both;
// escapes, sets and some inline flags are not.
class Translator {
 public:
  Translator(std::string_view pattern, std::string_view where) : in_(pattern), where_(where) {}

  std::string translate() {
    if (in_.size() > kLongestPattern)
      refuse(fmt::format("is longer than {} bytes", kLongestPattern));
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (c == '\\') {
        escape(false);
      } else if (c == '[') {
        set();
      } else if (c == '(') {
        group();
      } else if (c == '{') {
        brace();
      } else {
        out_ += c;
        ++at_;
      }
    }
    return out_;
  }

 private:
  [[noreturn]] void refuse(std::string_view why) const {
    throw FormatError("{}: pattern '{}' {}", where_, in_.substr(0, 200), why);
  }
  bool next_is(std::string_view text) const { return in_.substr(at_).starts_with(text); }
  void copy(size_t count) {
    out_ += in_.substr(at_, count);
    at_ += count;
  }

  void hex(size_t digits) {  // \xhh, \uhhhh or \Uhhhhhhhh
    const std::string_view value = in_.substr(std::min(at_ + 2, in_.size()), digits);
    bool good = value.size() == digits;
    for (const char c : value) good = good && std::isxdigit(static_cast<unsigned char>(c));
    if (!good) refuse(fmt::format("has an incomplete escape \\{}", in_[at_ + 1]));
    out_ += fmt::format("\\x{{{}}}", value);
    at_ += 2 + digits;
  }

  void escape(bool in_set) {
    if (at_ + 1 == in_.size()) refuse("ends with a backslash");
    const char c = in_[at_ + 1];
    if (c == 'x') return hex(2);
    if (c == 'u') return hex(4);
    if (c == 'U') return hex(8);
    if (c == 'v') {  // one character in Python, a class in PCRE2
      out_ += "\\x0b";
      at_ += 2;
      return;
    }
    if (c == 'Z' && !in_set) {
      out_ += "\\z";
      at_ += 2;
      return;
    }
    const std::string_view known = in_set ? "dDsSwWafnrtb" : "dDsSwWafnrtbBA";
    if (std::isalpha(static_cast<unsigned char>(c)) && known.find(c) == std::string_view::npos)
      refuse(fmt::format("has the escape \\{}, which Python does not know", c));
    copy(2);
  }

  void set() {
    copy(1);
    if (next_is("^")) copy(1);
    for (bool first = true; at_ < in_.size(); first = false) {
      const char c = in_[at_];
      if (c == '\\') {
        escape(true);
      } else if (c == '[') {  // no POSIX classes in Python
        out_ += "\\[";
        ++at_;
      } else {
        copy(1);
        if (c == ']' && !first) return;
      }
    }
    refuse("has a set without an end");
  }

  void group() {
    if (next_is("(*")) refuse("has nothing to repeat before '*'");
    if (!next_is("(?")) return copy(1);
    for (const char* start :
         {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?P<", "(?P=", "(?#", "(?>", "(?("})
      if (next_is(start)) return start == std::string_view("(?#") ? comment() : copy(2);
    const size_t end = in_.find_first_not_of("aimsxu-", at_ + 2);
    if (end == std::string_view::npos || in_[end] != ':')
      refuse("has a group that Python does not know, or flags for the whole in its middle");
    const std::string_view flags = in_.substr(at_ + 2, end - at_ - 2);
    if (flags.find('a') != std::string_view::npos) refuse("has the flag 'a', which is not read");
    out_ += "(?";
    for (const char flag : flags)
      if (flag != 'u') out_ += flag;
    at_ = end;
  }

  void comment() {
    const size_t end = in_.find(')', at_);
    if (end == std::string_view::npos) refuse("has a comment without an end");
    at_ = end + 1;
  }

  // {,3} is {0,3} in Python, and text for PCRE2.
  void brace() {
    out_ += '{';
    ++at_;
    const size_t end = in_.find('}', at_);
    if (end == std::string_view::npos || !next_is(",") || end == at_ + 1) return;
    if (in_.substr(at_ + 1, end - at_ - 1).find_first_not_of("0123456789") ==
        std::string_view::npos)
      out_ += '0';
  }

  std::string_view in_, where_;
  std::string out_;
  size_t at_ = 0;
};

std::string error_text(int code) {
  PCRE2_UCHAR buffer[256] = {};
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

}  // namespace

struct PythonPattern::Code {
  pcre2_code* code = nullptr;
  pcre2_match_context* limits = nullptr;
  ~Code() {
    pcre2_code_free(code);
    pcre2_match_context_free(limits);
  }
};

PythonPattern::PythonPattern(std::string_view pattern, std::string_view where,
                             std::string_view head, std::string_view tail)
    : code_(std::make_unique<Code>()), pattern_(pattern), where_(where) {
  const std::string text =
      fmt::format("{}{}{}", head, Translator(pattern, where).translate(), tail);
  int error = 0;
  PCRE2_SIZE at = 0;
  code_->code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &at, nullptr);
  if (!code_->code)
    throw FormatError("{}: pattern '{}' is no regular expression: {}", where,
                      pattern.substr(0, 200), error_text(error));
  code_->limits = pcre2_match_context_create(nullptr);
  if (!code_->limits) throw std::bad_alloc();
  pcre2_set_match_limit(code_->limits, kMatchLimit);
  pcre2_set_depth_limit(code_->limits, kDepthLimit);
  pcre2_set_heap_limit(code_->limits, kHeapKib);
}

PythonPattern::~PythonPattern() = default;
PythonPattern::PythonPattern(PythonPattern&&) noexcept = default;

bool PythonPattern::matches_begin(std::string_view text) const {
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
      pcre2_match_data_create_from_pattern(code_->code, nullptr), pcre2_match_data_free);
  if (!data) throw std::bad_alloc();
  const int found = pcre2_match(code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                0, PCRE2_ANCHORED, data.get(), code_->limits);
  if (found == PCRE2_ERROR_NOMATCH) return false;
  if (found < 0)
    throw FormatError("{}: pattern '{}' gave up on '{}': {}", where_,
                      std::string_view(pattern_).substr(0, 200), text.substr(0, 80),
                      error_text(found));
  return true;
}

}  // namespace tandem
