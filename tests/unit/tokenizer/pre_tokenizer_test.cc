// SPDX-License-Identifier: Apache-2.0
// Every step of a tokenizer.json's "pre_tokenizer" on a text: what the tokenizers library (0.23) makes of it,
// and what the step's own definition says.
#include "tokenizer/pre_tokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/error.h"

namespace tandem {
namespace {

using Pieces = std::vector<std::string>;

Pieces words(const std::string& steps, const char* text) {
  Pieces result;
  PreTokenizer::from_json(TokenizerJson::parse(steps), "test")
      .split(AlignedText(text, 0, true), [&](const AlignedText& piece, size_t begin, size_t end) {
        result.push_back(piece.text().substr(begin, end - begin));
      });
  return result;
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
  for (const PreTokenizerCase& one : kPreTokenizers)
    EXPECT_EQ(words(one.step, one.text), one.words) << one.step;
}

// GPT-2's expression, worked out by its alternatives: 's|'t|'re|'ve|'m|'ll|'d| ?letters| ?numbers|
//  ?others|white space not before a word|white space.
TEST(PreTokenizer, ByteLevelCutsByGpt2sExpression) {
  const char* step =
      R"({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true})";
  EXPECT_EQ(words(step, "a   b"), (Pieces{"a", "  ", " b"}));        // the last blank is b's
  EXPECT_EQ(words(step, "a\n\nb"), (Pieces{"a", "\n", "\n", "b"}));  // a line end is nobody's
  EXPECT_EQ(words(step, "I'M we'RE"), (Pieces{"I", "'", "M", " we", "'", "RE"}));  // small letters
  EXPECT_EQ(words(step, "rock 'n' roll"), (Pieces{"rock", " '", "n", "'", " roll"}));
  EXPECT_EQ(words(step, "3.14 x²"), (Pieces{"3", ".", "14", " x", "²"}));  // ² is a number
  EXPECT_EQ(words(step, "日本 2 end  "), (Pieces{"日本", " 2", " end", "  "}));
  EXPECT_EQ(words(step, ""), Pieces{});
}

// The expression of tiktoken's cl100k_base, which Llama 3 has too.
TEST(PreTokenizer, SplitCutsByLlama3sExpression) {
  const char* step =
      R"re({"type": "Split", "pattern": {"Regex": "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}, "behavior": "Isolated", "invert": false})re";
  EXPECT_EQ(words(step, "I'M  1234!\n\n x"),
            (Pieces{"I", "'M", " ", " ", "123", "4", "!\n\n", " x"}));
  EXPECT_EQ(words(step, "a \n\n  b(c)"), (Pieces{"a", " \n\n", " ", " b", "(c", ")"}));
}

TEST(PreTokenizer, WithoutAStepAStretchIsOneWord) {
  EXPECT_EQ(words("null", " a b "), Pieces{" a b "});
  EXPECT_EQ(words("null", ""), Pieces{});
  EXPECT_EQ(words(R"({"type": "Sequence", "pretokenizers": []})", "a b"), Pieces{"a b"});
}

// "first" is the first word of the text, not of each piece that an earlier step cut.
TEST(PreTokenizer, MetaspaceMarksWordsAsItsSchemeSays) {
  const auto after_split = [](const std::string& metaspace) {
    return R"({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, )"
           R"({"type": "Metaspace", "replacement": "▁", )" +
           metaspace + "}]}";
  };
  EXPECT_EQ(words(after_split(R"("prepend_scheme": "first", "split": true)"), "a b"),
            (Pieces{"▁a", "b"}));
  EXPECT_EQ(words(after_split(R"("prepend_scheme": "always", "split": true)"), "a b"),
            (Pieces{"▁a", "▁b"}));
  EXPECT_EQ(words(after_split(R"("prepend_scheme": "never", "split": true)"), "a b"),
            (Pieces{"a", "b"}));
  // Files from before there were schemes.
  EXPECT_EQ(words(after_split(R"("add_prefix_space": false)"), "a b"), (Pieces{"a", "b"}));
  EXPECT_EQ(words(after_split(R"("add_prefix_space": true)"), "a b"), (Pieces{"▁a", "▁b"}));
}

TEST(PreTokenizer, ByteLevelIsRemembered) {
  EXPECT_TRUE(PreTokenizer::from_json(TokenizerJson::parse(R"({"type": "ByteLevel"})"), "test")
                  .byte_level());
  EXPECT_FALSE(
      PreTokenizer::from_json(TokenizerJson::parse(R"({"type": "Digits"})"), "test").byte_level());
}

TEST(PreTokenizer, WhatIsNotKnownIsAnError) {
  std::string nested = R"({"type": "Digits"})";
  for (int i = 0; i < 30; ++i)
    nested = R"({"type": "Sequence", "pretokenizers": [)" + nested + "]}";
  for (
      const std::string& step : {
          std::string(R"({"type": "UnicodeScripts"})"),
          std::string(R"({"type": "Split", "pattern": {"String": "-"}, "behavior": "Halved"})"),
          std::string(R"({"type": "Split", "pattern": {"Regex": "["}, "behavior": "Isolated"})"),
          std::string(R"({"type": "Metaspace", "replacement": "_"})"),
          std::string(R"({"type": "Metaspace", "prepend_scheme": "sometimes"})"),
          std::string(
              R"({"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}, {"type": "Digits"}]})"),
          nested,
      })
    EXPECT_THROW(PreTokenizer::from_json(TokenizerJson::parse(step), "test"), FormatError) << step;
}

}  // namespace
}  // namespace tandem
