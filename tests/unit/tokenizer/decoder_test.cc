// SPDX-License-Identifier: Apache-2.0
// Every step of a tokenizer.json's "decoder" on a text: what the tokenizers library (0.23) makes of it,
// and what the step's own definition says.
#include "tokenizer/decoder.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "tokenizer/unicode.h"

namespace tandem {
namespace {

using Pieces = std::vector<std::string>;

std::string joined(const char* steps, Pieces pieces) {
  for (const auto& step : make_decoders(TokenizerJson::parse(steps), "test")) step->apply(pieces);
  std::string text;
  for (const std::string& piece : pieces) text += piece;
  return text;
}

struct DecoderCase {
  const char* step;
  Pieces pieces;
  const char* text;
};
const DecoderCase kDecoders[] = {
    {R"({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true})",
     {"Ġcaf", "Ã", "©", "!Ċ"},
     " café!\n"},
    {R"({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true})",
     {"a", "Ã"},
     "a�"},
    {R"({"type": "ByteFallback"})", {"a", "<0xC3>", "<0xA9>", "b", "<0xC3>", "<0x0A>"}, "aéb��"},
    {R"({"type": "ByteFallback"})", {"<0x41>", "<0xe9>", "<0x4>"}, "��<0x4>"},
    {R"({"type": "Fuse"})", {"a", " b", "c"}, "a bc"},
    {R"({"type": "Strip", "content": " ", "start": 1, "stop": 0})", {"  a ", "b "}, " a b "},
    {R"({"type": "Strip", "content": "_", "start": 0, "stop": 2})", {"_a___", "__"}, "_a_"},
    {R"({"type": "Replace", "pattern": {"String": "▁"}, "content": " "})", {"▁a", "b▁c"}, " ab c"},
    {R"({"type": "Replace", "pattern": {"Regex": "[xy]+"}, "content": "-"})",
     {"axyb", "y"},
     "a-b-"},
    {R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true})",
     {"▁Hey", "▁you"},
     "Hey you"},
    {R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true})",
     {"▁Hey", "▁you"},
     "Hey you"},
    {R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": true})",
     {"▁Hey", "▁you"},
     " Hey you"},
    {R"({"type": "WordPiece", "prefix": "##", "cleanup": true})",
     {"he", "##llo", ",", "do", "n't", "I", "'m", "!"},
     "hello, don't I'm!"},
    {R"({"type": "WordPiece", "prefix": "##", "cleanup": false})", {"he", "##llo", ","}, "hello ,"},
    {R"({"type": "BPEDecoder", "suffix": "</w>"})", {"he", "y</w>", "you</w>"}, "hey you"},
    {R"({"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})",
     {"▁", "▁a", "<0xC3>", "<0xA9>"},
     " aé"},
};

TEST(Decoders, JoinAsTheTokenizersLibrary) {
  for (const DecoderCase& one : kDecoders)
    EXPECT_EQ(joined(one.step, one.pieces), one.text) << one.step;
}

// GPT-2's alphabet: printable bytes are themselves, the others are the characters from U+0100 on, in
// their order.
TEST(Decoders, ByteLevelReadsGpt2sAlphabet) {
  const auto letter = [](uint32_t byte) {
    const auto printable = [](uint32_t b) {
      return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
    };
    uint32_t character = byte;
    if (!printable(byte)) {
      character = 0x100;
      for (uint32_t b = 0; b < byte; ++b) character += printable(b) ? 0 : 1;
    }
    std::string utf8;
    append_char(utf8, static_cast<char32_t>(character));
    return utf8;
  };
  EXPECT_EQ(letter(' '), "Ġ");
  EXPECT_EQ(letter('\n'), "Ċ");
  EXPECT_EQ(letter(0xAD), "\u0143");  // the last of the 68 that are not printable
  for (uint32_t c = 0; c < 0x800; ++c) {
    std::string text;
    append_char(text, static_cast<char32_t>(c));
    Pieces pieces;
    for (const char byte : text) pieces.push_back(letter(static_cast<unsigned char>(byte)));
    EXPECT_EQ(joined(R"({"type": "ByteLevel"})", pieces), text) << c;
  }
}

// Llama 2's decoder: marks to blanks, bytes to characters, and one blank off the front.
TEST(Decoders, SentencePiecesWayTakesOneBlankOffTheFront) {
  for (const bool strips : {true, false}) {
    Pieces pieces = {"▁", "▁Toy", "▁Story", "<0xE2>", "<0x82>", "<0xAC>", "<0x0A>"};
    for (const auto& step : byte_fallback_decoders(strips)) step->apply(pieces);
    std::string text;
    for (const std::string& piece : pieces) text += piece;
    EXPECT_EQ(text, strips ? " Toy Story€\n" : "  Toy Story€\n");
  }
}

TEST(Decoders, OfNothingIsNothing) {
  for (const char* step :
       {R"({"type": "ByteLevel"})", R"({"type": "ByteFallback"})", R"({"type": "Fuse"})",
        R"({"type": "WordPiece"})", R"({"type": "Metaspace"})", R"({"type": "BPEDecoder"})"})
    EXPECT_EQ(joined(step, {}), "") << step;
}

TEST(Decoders, WhatIsNotKnownIsAnError) {
  for (const char* step : {
           R"({"type": "CTC"})",
           R"({"kind": "Fuse"})",
           R"({"type": "Strip"})",
           R"({"type": "Replace", "pattern": {"Regex": "("}, "content": ""})",
           R"({"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "?"}]})",
       })
    EXPECT_THROW(make_decoders(TokenizerJson::parse(step), "test"), FormatError) << step;
}

}  // namespace
}  // namespace tandem
