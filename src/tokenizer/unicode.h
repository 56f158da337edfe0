// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

// The character that begins at `at` of valid UTF-8; moves `at` behind it.
char32_t next_char(std::string_view text, size_t& at);
void append_char(std::string& text, char32_t c);
std::u32string to_chars(std::string_view text);
inline size_t char_length(unsigned char first) {
  return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

bool is_valid_utf8(std::string_view text);
// Every maximal ill-formed part becomes one U+FFFD (the Unicode standard's practice, as Rust and
// WHATWG do).
std::string repair_utf8(std::string_view text);

// White_Space, and general categories.
bool is_whitespace(char32_t c);
bool is_control(char32_t c);          // C*, but for unassigned characters
bool is_punctuation(char32_t c);      // P*
bool is_numeric(char32_t c);          // N*
bool is_nonspacing_mark(char32_t c);  // Mn
bool is_combining_mark(char32_t c);   // Mn, Mc, Me
bool is_word_char(char32_t c);        // letter, mark, number or connector
bool is_cjk_ideograph(char32_t c);    // as BERT counts them

// A character that a rewriting step emits, and how it relates to its source: 0 replaces one
// character, 1 is inserted after the one before, -n replaces one and removes n more. (The
// convention of Hugging Face's NormalizedString.)
struct CharChange {
  char32_t c;
  int change;
};
std::vector<CharChange> lower_case(std::u32string_view text);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
std::vector<CharChange> normal_form(std::u32string_view text, NormalForm form);

// Ends of the extended grapheme clusters of text, in characters.
std::vector<size_t> grapheme_ends(std::u32string_view text);

// GPT-2's printable alphabet for bytes: the character for each byte.
const std::u32string& byte_alphabet();
// The text in that alphabet back to bytes, or false when a character is outside it.
bool from_byte_alphabet(std::string_view text, std::string& bytes);
std::string to_byte_alphabet(std::string_view bytes);

}  // namespace tandem
