// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

namespace tandem {
namespace {

// Length of the well-formed character at `at`, or 0 with the length of the maximal ill-formed part
// in `bad`.
size_t check_char(std::string_view text, size_t at, size_t& bad) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const unsigned first = byte(at);
  bad = 1;
  if (first < 0x80) return 1;
  size_t length;
  unsigned low = 0x80, high = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  for (size_t i = 1; i < length; ++i) {
    const unsigned next = byte(at + i);
    if (at + i >= text.size() || next < low || next > high) {
      bad = i;
      return 0;
    }
    low = 0x80;
    high = 0xBF;
  }
  return length;
}

int category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

int combining_class(char32_t c) {
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

// The primary composite of a and b, or 0.
char32_t compose(char32_t a, char32_t b) {
  if (b < 0x300) return 0;  // no composition ends in a character below the combining marks
  std::array<utf8proc_int32_t, 3> pair{static_cast<utf8proc_int32_t>(a),
                                       static_cast<utf8proc_int32_t>(b), 0};
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  if (utf8proc_normalize_utf32(pair.data(), 2, options) != 1) return 0;
  return static_cast<char32_t>(pair[0]);
}

// Decomposes every character and sorts each run of combining marks; stable, so that marks keep
// their source.
std::vector<CharChange> decompose(std::u32string_view text, bool compatibility) {
  std::vector<CharChange> out;
  out.reserve(text.size() + 8);
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE |
                                                      (compatibility ? UTF8PROC_COMPAT : 0));
  std::array<utf8proc_int32_t, 32> buffer;
  for (const char32_t c : text) {
    if (c < 0x80) {
      out.push_back({c, 0});
      continue;
    }
    int boundary = 0;
    const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), buffer.data(),
                                           buffer.size(), options, &boundary);
    if (n <= 0 || n > static_cast<utf8proc_ssize_t>(buffer.size())) {
      out.push_back({c, 0});
      continue;
    }
    for (int i = 0; i < n; ++i) out.push_back({static_cast<char32_t>(buffer[i]), i > 0 ? 1 : 0});
  }
  const auto class_of = [](const CharChange& x) { return x.c < 0x300 ? 0 : combining_class(x.c); };
  for (size_t i = 0; i < out.size();) {
    if (class_of(out[i]) == 0) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < out.size() && class_of(out[end]) != 0) ++end;
    std::stable_sort(
        out.begin() + static_cast<ptrdiff_t>(i), out.begin() + static_cast<ptrdiff_t>(end),
        [&](const CharChange& a, const CharChange& b) { return class_of(a) < class_of(b); });
    i = end;
  }
  return out;
}

// Canonical composition. A composite carries the changes of both its parts, less the one it
// removes.
std::vector<CharChange> recompose(const std::vector<CharChange>& in) {
  std::vector<CharChange> out;
  out.reserve(in.size());
  ptrdiff_t starter = -1;  // in out
  int last_class = -1;     // of what stands between the starter and here; -1 when nothing does
  for (const CharChange& x : in) {
    const int ccc = x.c < 0x300 ? 0 : combining_class(x.c);
    if (starter >= 0 && last_class < ccc) {
      if (const char32_t composite = compose(out[starter].c, x.c)) {
        out[starter] = {composite, out[starter].change + x.change - 1};
        continue;
      }
    }
    if (ccc == 0) {
      starter = static_cast<ptrdiff_t>(out.size());
      last_class = -1;
    } else {
      last_class = ccc;
    }
    out.push_back(x);
  }
  return out;
}

struct ByteAlphabet {
  std::u32string chars;
  std::array<int16_t, 512> bytes;

  ByteAlphabet() : chars(256, U'\0') {
    bytes.fill(-1);
    char32_t next = 256;
    for (unsigned b = 0; b < 256; ++b) {
      const bool printable = (b >= 33 && b <= 126) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      chars[b] = printable ? b : next++;
      bytes[chars[b]] = static_cast<int16_t>(b);
    }
  }
};

const ByteAlphabet& alphabet() {
  static const ByteAlphabet instance;
  return instance;
}

}  // namespace

char32_t next_char(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[i]));
  };
  const char32_t first = byte(at);
  const size_t length = std::min(char_length(static_cast<unsigned char>(first)), text.size() - at);
  char32_t c = length == 1 ? first : first & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) c = c << 6 | (byte(at + i) & 0x3F);
  at += length;
  return c;
}

void append_char(std::string& text, char32_t c) {
  if (c < 0x80) {
    text += static_cast<char>(c);
  } else if (c < 0x800) {
    text += static_cast<char>(0xC0 | c >> 6);
    text += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    text += static_cast<char>(0xE0 | c >> 12);
    text += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    text += static_cast<char>(0xF0 | c >> 18);
    text += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    text += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (c & 0x3F));
  }
}

std::u32string to_chars(std::string_view text) {
  std::u32string chars;
  chars.reserve(text.size());
  for (size_t at = 0; at < text.size();) chars += next_char(text, at);
  return chars;
}

bool is_valid_utf8(std::string_view text) {
  size_t bad;
  for (size_t at = 0; at < text.size();) {
    const size_t length = check_char(text, at, bad);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

std::string repair_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  size_t bad;
  for (size_t at = 0; at < text.size();) {
    const size_t length = check_char(text, at, bad);
    if (length > 0) {
      out.append(text.substr(at, length));
      at += length;
    } else {
      out += "\xEF\xBF\xBD";
      at += bad;
    }
  }
  return out;
}

bool is_whitespace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_control(char32_t c) {
  const int k = category(c);
  return k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_CS ||
         k == UTF8PROC_CATEGORY_CO;
}

bool is_punctuation(char32_t c) {
  const int k = category(c);
  return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

bool is_numeric(char32_t c) {
  const int k = category(c);
  return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO;
}

bool is_nonspacing_mark(char32_t c) { return c >= 0x300 && category(c) == UTF8PROC_CATEGORY_MN; }

bool is_combining_mark(char32_t c) {
  const int k = category(c);
  return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_ME;
}

bool is_word_char(char32_t c) {
  const int k = category(c);
  return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NO) || k == UTF8PROC_CATEGORY_PC;
}

bool is_cjk_ideograph(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

std::vector<CharChange> lower_case(std::u32string_view text) {
  std::vector<CharChange> out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    if (c == 0x130) {  // the only lower case of two characters
      out.push_back({U'i', 0});
      out.push_back({0x307, 1});
    } else {
      out.push_back({static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))), 0});
    }
  }
  return out;
}

std::vector<CharChange> normal_form(std::u32string_view text, NormalForm form) {
  const bool compatibility = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  std::vector<CharChange> out = decompose(text, compatibility);
  if (form == NormalForm::kNfc || form == NormalForm::kNfkc) return recompose(out);
  return out;
}

std::vector<size_t> grapheme_ends(std::u32string_view text) {
  std::vector<size_t> ends;
  utf8proc_int32_t state = 0;
  for (size_t i = 1; i < text.size(); ++i) {
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(text[i - 1]),
                                         static_cast<utf8proc_int32_t>(text[i]), &state)) {
      ends.push_back(i);
    }
  }
  if (!text.empty()) ends.push_back(text.size());
  return ends;
}

const std::u32string& byte_alphabet() { return alphabet().chars; }

bool from_byte_alphabet(std::string_view text, std::string& bytes) {
  bytes.clear();
  for (size_t at = 0; at < text.size();) {
    const char32_t c = next_char(text, at);
    if (c >= alphabet().bytes.size() || alphabet().bytes[c] < 0) return false;
    bytes += static_cast<char>(alphabet().bytes[c]);
  }
  return true;
}

std::string to_byte_alphabet(std::string_view bytes) {
  std::string text;
  for (const char b : bytes) append_char(text, alphabet().chars[static_cast<unsigned char>(b)]);
  return text;
}

}  // namespace tandem
