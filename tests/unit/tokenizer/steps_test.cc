// SPDX-License-Identifier: Apache-2.0
// Every step of a tokenizer.json on a text, with what the tokenizers library (0.23) makes of it.
#include <gtest/gtest.h>

#include "tokenizer/decoder.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"

namespace tandem {
namespace {

using Pieces = std::vector<std::string>;

struct NormalizerCase {
  const char *step, *text, *result;
};
const NormalizerCase kNormalizers[] = {
    {R"({"type": "NFC"})", "e\xCC\x81 ﬁ Å", "é ﬁ Å"},
    {R"({"type": "NFD"})", "é각", "e\xCC\x81\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8"},
    {R"({"type": "NFKC"})", "ﬁ ① e\xCC\x81", "fi 1 é"},
    {R"({"type": "NFKD"})", "éﬁＡ",
     "e\xCC\x81"
     "fiA"},
    {R"({"type": "Lowercase"})", "ABC Äİ x", "abc äi\xCC\x87 x"},
    {R"({"type": "StripAccents"})",
     "e\xCC\x81"
     "a\xCC\x88é",
     "eaé"},
    {R"({"type": "Strip", "strip_left": true, "strip_right": false})", " \t ab  ", "ab  "},
    {R"({"type": "Strip", "strip_left": false, "strip_right": true})", "  ab \n", "  ab"},
    {R"({"type": "Strip", "strip_left": true, "strip_right": true})", "  a b  ", "a b"},
    {R"({"type": "Prepend", "prepend": "▁"})", "ab", "▁ab"},
    {R"({"type": "Prepend", "prepend": "▁"})", "", ""},
    {R"({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})", " a  b", "▁a▁▁b"},
    {R"({"type": "Replace", "pattern": {"String": "aa"}, "content": "b"})", "aaaaa", "bba"},
    {R"({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "_"})", "a  b c   d",
     "a_b c_d"},
    {R"({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "lowercase": true})",
     "Héllo\tW日本\xE2\x80\x8D!", "hello w 日  本 !"},
    {R"({"type": "BertNormalizer", "clean_text": false, "handle_chinese_chars": false, "lowercase": false})",
     "Hé\tW日", "Hé\tW日"},
    {R"({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": false, "strip_accents": true, "lowercase": false})",
     "ÉA\x07\xC2\xA0"
     "b",
     "EA b"},
    {R"({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "x"}, {"type": "Replace", "pattern": {"String": "x"}, "content": "yz"}]})",
     "ax", "yzayz"},
};

TEST(Normalizers, RewriteAsTheTokenizersLibrary) {
  for (const NormalizerCase& one : kNormalizers) {
    AlignedText text(one.text, 0, true);
    for (const auto& step : make_normalizers(TokenizerJson::parse(one.step), "test"))
      step->apply(text);
    EXPECT_EQ(text.text(), one.result) << one.step;
  }
}

struct PreTokenizerCase {
  const char *step, *text;
  Pieces words;
};
const PreTokenizerCase kPreTokenizers[] = {
    {R"({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true})",
     "I'm 12 cafés!!  ok \n",
     {" I", "'m", " 12", " cafés", "!!", " ", " ok", " \n"}},
    {R"({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true})",
     "they'll've  x_1",
     {"they", "'ll", "'ve", " ", " x", "_", "1"}},
    {R"({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": false})",
     " a b",
     {" a b"}},
    {R"({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": false})",
     "a b",
     {" a b"}},
    {R"({"type": "Split", "pattern": {"String": "-"}, "behavior": "Removed", "invert": false})",
     "a--b-",
     {"a", "b"}},
    {R"({"type": "Split", "pattern": {"String": "-"}, "behavior": "Isolated", "invert": false})",
     "a--b-",
     {"a", "-", "-", "b", "-"}},
    {R"({"type": "Split", "pattern": {"String": "-"}, "behavior": "MergedWithPrevious", "invert": false})",
     "-a--b-",
     {"-", "a-", "-", "b-"}},
    {R"({"type": "Split", "pattern": {"String": "-"}, "behavior": "MergedWithNext", "invert": false})",
     "-a--b-",
     {"-a", "-", "-b", "-"}},
    {R"({"type": "Split", "pattern": {"String": "-"}, "behavior": "Contiguous", "invert": false})",
     "a--b-",
     {"a", "--", "b", "-"}},
    {R"({"type": "Split", "pattern": {"Regex": "[0-9]+"}, "behavior": "Isolated", "invert": false})",
     "a12b3",
     {"a", "12", "b", "3"}},
    {R"({"type": "Split", "pattern": {"Regex": "[0-9]+"}, "behavior": "Removed", "invert": true})",
     "a12b3",
     {"12", "3"}},
    {R"({"type": "Split", "pattern": {"Regex": "\\p{N}{1,3}"}, "behavior": "Isolated", "invert": false})",
     "x12345",
     {"x", "123", "45"}},
    {R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true})",
     "Hey  you",
     {"▁Hey", "▁", "▁you"}},
    {R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true})",
     " Hey",
     {"▁Hey"}},
    {R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": true})",
     "Hey you",
     {"Hey", "▁you"}},
    {R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false})",
     "Hey you",
     {"▁Hey▁you"}},
    {R"({"type": "WhitespaceSplit"})", " a\tb-c  d ", {"a", "b-c", "d"}},
    {R"({"type": "Whitespace"})", "Hey, x_1!? é", {"Hey", ",", "x_1", "!?", "é"}},
    {R"({"type": "BertPreTokenizer"})",
     "Hey, x_1 $a¿b",
     {"Hey", ",", "x", "_", "1", "$", "a", "¿", "b"}},
    {R"({"type": "Punctuation", "behavior": "Isolated"})", "a!?b", {"a", "!", "?", "b"}},
    {R"({"type": "Punctuation", "behavior": "Contiguous"})", "a!?b", {"a", "!?", "b"}},
    {R"({"type": "Digits", "individual_digits": true})", "a12 3", {"a", "1", "2", " ", "3"}},
    {R"({"type": "Digits", "individual_digits": false})", "a12 3", {"a", "12", " ", "3"}},
    {R"({"type": "CharDelimiterSplit", "delimiter": "|"})", "a||b|c", {"a", "b", "c"}},
    {R"({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Digits", "individual_digits": true}]})",
     "ab1 c22",
     {"ab", "1", "c", "2", "2"}},
};

TEST(PreTokenizer, CutsAsTheTokenizersLibrary) {
  for (const PreTokenizerCase& one : kPreTokenizers) {
    Pieces words;
    PreTokenizer::from_json(TokenizerJson::parse(one.step), "test")
        .split(AlignedText(one.text, 0, true),
               [&](const AlignedText& text, size_t begin, size_t end) {
                 words.push_back(text.text().substr(begin, end - begin));
               });
    EXPECT_EQ(words, one.words) << one.step;
  }
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
  for (const DecoderCase& one : kDecoders) {
    Pieces pieces = one.pieces;
    for (const auto& step : make_decoders(TokenizerJson::parse(one.step), "test"))
      step->apply(pieces);
    std::string text;
    for (const std::string& piece : pieces) text += piece;
    EXPECT_EQ(text, one.text) << one.step;
  }
}

}  // namespace
}  // namespace tandem
