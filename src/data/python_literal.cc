// SPDX-License-Identifier: Apache-2.0
#include "data/python_literal.h"

#include <charconv>

#include "data/fields.h"

namespace tandem {
namespace {

void append_utf8(std::string& out, uint32_t code) {
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) code = 0xFFFD;
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Json document() {
    Json value = this->value(0);
    blanks();
    if (at_ < text_.size()) fail("the end of the literal");
    return value;
  }

 private:
  static constexpr int kMaxDepth = 100;

  [[noreturn]] void fail(const std::string& expected) {
    throw BadLine{at_ < text_.size()
                      ? excerpt(text_.substr(at_, 20)) + fmt::format(" at column {}", at_ + 1)
                      : std::string("the end of the line"),
                  expected};
  }
  void blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }
  bool take(char c) {
    blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  Json value(int depth) {
    if (depth > kMaxDepth) fail(fmt::format("nesting of at most {}", kMaxDepth));
    blanks();
    if (at_ >= text_.size()) fail("a value");
    switch (text_[at_]) {
      case '{':
        return dict(depth);
      case '[':
        return sequence(']', depth);
      case '(':
        return sequence(')', depth);
      case '\'':
      case '"':
        return string();
      case 'u':
        if (at_ + 1 < text_.size() && (text_[at_ + 1] == '\'' || text_[at_ + 1] == '"')) {
          ++at_;
          return string();
        }
        break;
      default:
        break;
    }
    if (take_word("None")) return nullptr;
    if (take_word("True")) return true;
    if (take_word("False")) return false;
    return number();
  }

  Json dict(int depth) {
    ++at_;
    Json result = Json::object();
    while (!take('}')) {
      const Json key = value(depth + 1);
      if (!take(':')) fail("':' after a key");
      result[key.is_string() ? key.get<std::string>() : key.dump()] = value(depth + 1);
      if (take(',')) continue;
      if (!take('}')) fail("',' or '}'");
      break;
    }
    return result;
  }

  Json sequence(char close, int depth) {
    ++at_;
    Json result = Json::array();
    while (!take(close)) {
      result.push_back(value(depth + 1));
      if (take(',')) continue;
      if (!take(close)) fail(fmt::format("',' or '{}'", close));
      break;
    }
    return result;
  }

  uint32_t digits(size_t most, int base) {
    uint32_t code = 0;
    const char* begin = text_.data() + at_;
    const size_t size = std::min(most, text_.size() - at_);
    const auto [end, error] = std::from_chars(begin, begin + size, code, base);
    if (error != std::errc() || (base == 16 && end != begin + most))
      fail(fmt::format("{} hexadecimal digits", most));
    at_ += static_cast<size_t>(end - begin);
    return code;
  }

  std::string string() {
    const char quote = text_[at_++];
    std::string result;
    for (;;) {
      if (at_ >= text_.size()) fail("a closing quote");
      const char c = text_[at_++];
      if (c == quote) return result;
      if (c == '\\') {
        escape(result);
      } else {
        result += c;
      }
    }
  }

  void escape(std::string& result) {
    if (at_ >= text_.size()) fail("a character behind '\\'");
    const char c = text_[at_++];
    switch (c) {
      case 'n':
        result += '\n';
        break;
      case 't':
        result += '\t';
        break;
      case 'r':
        result += '\r';
        break;
      case 'a':
        result += '\a';
        break;
      case 'b':
        result += '\b';
        break;
      case 'f':
        result += '\f';
        break;
      case 'v':
        result += '\v';
        break;
      case '\\':
      case '\'':
      case '"':
        result += c;
        break;
      case 'x':
        append_utf8(result, digits(2, 16));
        break;
      case 'u':
        append_utf8(result, digits(4, 16));
        break;
      case 'U':
        append_utf8(result, digits(8, 16));
        break;
      default:
        if (c >= '0' && c <= '7') {
          --at_;
          append_utf8(result, digits(3, 8));
        } else {  // Python keeps an unknown escape as it stands
          result += '\\';
          result += c;
        }
    }
  }

  Json number() {
    const char* begin = text_.data() + at_;
    const char* const end = text_.data() + text_.size();
    int64_t whole = 0;
    const auto integer = std::from_chars(begin, end, whole);
    const bool fraction =
        integer.ptr != end && (*integer.ptr == '.' || *integer.ptr == 'e' || *integer.ptr == 'E');
    if (integer.ec == std::errc() && !fraction) {
      at_ += static_cast<size_t>(integer.ptr - begin);
      return whole;
    }
    double real = 0;
    const auto result = std::from_chars(begin, end, real);
    if (result.ec != std::errc()) fail("a Python value");
    at_ += static_cast<size_t>(result.ptr - begin);
    return real;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Json parse_python_literal(std::string_view text) { return Parser(text).document(); }

}  // namespace tandem
