// SPDX-License-Identifier: Apache-2.0
#include "data/fields.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "data/raw_log.h"

namespace tandem {
namespace {

constexpr size_t kMaxIdBytes = 1024;

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
bool is_blank(char c) { return c == ' ' || is_control(c); }

}  // namespace

bool valid_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

void check_utf8(std::string_view text) {
  if (valid_utf8(text)) return;
  // The first byte at which a prefix stops being valid UTF-8.
  size_t at = 0;
  while (at < text.size()) {
    size_t length = 1;
    while (length <= 4 && at + length <= text.size() && !valid_utf8(text.substr(at, length)))
      ++length;
    if (length > 4 || at + length > text.size()) break;
    at += length;
  }
  throw BadLine{fmt::format("byte 0x{:02X} at column {}, which is not UTF-8",
                            static_cast<unsigned char>(text[at]), at + 1),
                "UTF-8 text (iconv -f latin1 -t utf8 converts)"};
}

std::string excerpt(std::string_view text) {
  constexpr size_t kMost = 60;
  std::string result(text.substr(0, kMost));
  const bool utf8 = valid_utf8(text);
  // A cut may fall inside a character.
  while (utf8 && !valid_utf8(result)) result.pop_back();
  for (char& c : result) {
    if (is_control(c) || (!utf8 && static_cast<unsigned char>(c) >= 0x80)) c = '?';
  }
  return "'" + result + (text.size() > kMost ? "...'" : "'");
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string clean_text(std::string_view text) {
  std::string result(trimmed(text));
  std::replace_if(result.begin(), result.end(), is_control, ' ');
  return result;
}

std::string text_of_bytes(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    size_t length = 1;
    while (length < std::min<size_t>(4, bytes.size()) && !valid_utf8(bytes.substr(0, length)))
      ++length;
    if (!valid_utf8(bytes.substr(0, length))) {
      text += "\xEF\xBF\xBD";
      length = 1;
    } else {
      text += bytes.substr(0, length);
    }
    bytes.remove_prefix(length);
  }
  return text;
}

std::string latin1_to_utf8(std::string_view bytes) {
  std::string result;
  result.reserve(bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      result += c;
    } else {
      result += static_cast<char>(0xC0 | byte >> 6);
      result += static_cast<char>(0x80 | (byte & 0x3F));
    }
  }
  return result;
}

std::string_view parse_id(std::string_view text, std::string_view column) {
  const std::string_view id = trimmed(text);
  if (id.empty()) throw BadLine{fmt::format("an empty {}", column), fmt::format("a {} id", column)};
  if (id.size() > kMaxIdBytes)
    throw BadLine{fmt::format("a {} id of {} bytes", column, id.size()),
                  fmt::format("at most {}", kMaxIdBytes)};
  if (std::any_of(id.begin(), id.end(), is_control))
    throw BadLine{fmt::format("{} id {} with a control character", column, excerpt(id)),
                  "printable text"};
  return id;
}

float parse_rating(std::string_view text) {
  text = trimmed(text);
  if (text.size() == 1 && text[0] >= '0' && text[0] <= '9')
    return static_cast<float>(text[0] - '0');
  if (text.empty()) return kNoRating;
  float value = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || at != text.data() + text.size() || !std::isfinite(value))
    throw BadLine{"rating " + excerpt(text), "a number"};
  return value;
}

void split_fields(std::string_view line, std::string_view separator,
                  std::vector<std::string_view>& fields) {
  fields.clear();
  if (separator.size() == 1) {
    const char* at = line.data();
    const char* const end = at + line.size();
    while (const void* found =
               at == end ? nullptr : std::memchr(at, separator[0], static_cast<size_t>(end - at))) {
      const char* stop = static_cast<const char*>(found);
      fields.emplace_back(at, static_cast<size_t>(stop - at));
      at = stop + 1;
    }
    fields.emplace_back(at, static_cast<size_t>(end - at));
    return;
  }
  for (size_t found; (found = line.find(separator)) != std::string_view::npos;) {
    fields.push_back(line.substr(0, found));
    line.remove_prefix(found + separator.size());
  }
  fields.push_back(line);
}

void CsvReader::skip_to(size_t at) {
  next_line_ += std::count(text_.begin() + static_cast<int64_t>(at_),
                           text_.begin() + static_cast<int64_t>(at), '\n');
  at_ = at;
}

// Whether a field ends here.
bool CsvReader::ends_at(size_t at) const {
  return at >= text_.size() || text_[at] == '\n' || text_[at] == '\r' ||
         text_.substr(at).starts_with(separator_);
}

// at: after the opening quote; moves after the closing one.
std::string_view CsvReader::quoted_field(size_t& at, size_t record_end) {
  std::string* undone = nullptr;
  bool backslashes = false;
  size_t begin = at;
  for (;;) {
    const size_t quote = text_.find('"', at);
    if (quote == std::string_view::npos) {
      skip_to(record_end);
      throw BadLine{"a quote that is never closed", "a closing quote"};
    }
    std::string_view part = text_.substr(begin, quote - begin);
    at = quote + 1;
    const bool doubled = at < text_.size() && text_[at] == '"';
    // MySQL writes \" for a quote. A quote that could not end the field shows that this is meant.
    const bool escaped =
        part.ends_with('\\') && (doubled ? backslashes && ends_at(at + 1) : !ends_at(at));
    if (!doubled && !escaped) {
      if (!undone) return part;
      *undone += part;
      return *undone;
    }
    backslashes |= escaped;
    if (escaped) part.remove_suffix(1);
    if (!undone) undone = &unquoted_.emplace_back();
    *undone += part;
    *undone += '"';
    begin = escaped ? at : ++at;
  }
}

bool CsvReader::next(std::vector<std::string_view>& fields) {
  fields.clear();
  unquoted_.clear();
  while (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r')) skip_to(at_ + 1);
  line_ = next_line_;
  begin_ = at_;
  if (at_ >= text_.size()) return false;
  size_t line_end = std::min(text_.find('\n', at_), text_.size());
  const size_t first_line_end = std::min(line_end + 1, text_.size());
  size_t at = at_;
  for (;;) {
    if (at < text_.size() && text_[at] == '"') {
      fields.push_back(quoted_field(++at, first_line_end));
      if (at > line_end) line_end = std::min(text_.find('\n', at), text_.size());
      const std::string_view behind = text_.substr(at, line_end - at);
      if (!behind.empty() && behind != "\r" && !behind.starts_with(separator_)) {
        skip_to(first_line_end);
        throw BadLine{"text " + excerpt(behind) + " behind a closing quote",
                      "a separator or the end of the line"};
      }
      at += behind == "\r" ? 1 : 0;
    } else {
      const std::string_view left = text_.substr(at, line_end - at);
      std::string_view field = left.substr(0, left.find(separator_));
      at += field.size();
      if (at == line_end && field.ends_with('\r')) field.remove_suffix(1);
      fields.push_back(field);
    }
    if (at >= line_end) break;
    at += separator_.size();
  }
  skip_to(std::min(line_end + 1, text_.size()));
  return true;
}

}  // namespace tandem
