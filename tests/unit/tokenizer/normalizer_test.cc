// SPDX-License-Identifier: Apache-2.0
// Every step of a tokenizer.json's "normalizer" on a text: what the tokenizers library (0.23) makes of it,
// and what the step's own definition says.
#include "tokenizer/normalizer.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace tandem {
namespace {

std::string normalized(const char* steps, const char* original) {
  AlignedText text(original, 0, true);
  for (const auto& step : make_normalizers(TokenizerJson::parse(steps), "test")) step->apply(text);
  return text.text();
}

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
    {R"({"type": "StripAccents"})",
     "a\xE0\xA4\x83"
     "b\xE2\x83\x9D"
     "c",
     "abc"},  // U+0903 is a spacing mark, U+20DD an enclosing one
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
  for (const NormalizerCase& one : kNormalizers)
    EXPECT_EQ(normalized(one.step, one.text), one.result) << one.step;
}

// Unicode Standard Annex 15, figures 3 to 6; accents of another script that no NFC has.
const NormalizerCase kNormalForms[] = {
    {R"({"type": "NFC"})", "\u212B \u2126", "\u00C5 \u03A9"},  // singletons: Angstrom, Ohm
    {R"({"type": "NFD"})", "\u1E0B\u0323", "d\u0323\u0307"},   // marks in canonical order
    {R"({"type": "NFC"})", "\u1E0B\u0323", "\u1E0D\u0307"},
    {R"({"type": "NFD"})", "q\u0307\u0323", "q\u0323\u0307"},
    {R"({"type": "NFC"})", "q\u0307\u0323", "q\u0323\u0307"},
    {R"({"type": "NFC"})", "\uFB01 2\u2075", "\uFB01 2\u2075"},  // compatibility characters stay
    {R"({"type": "NFKC"})", "\uFB01 2\u2075", "fi 25"},
    {R"({"type": "NFC"})", "\u1E9B\u0323", "\u1E9B\u0323"},
    {R"({"type": "NFD"})", "\u1E9B\u0323", "\u017F\u0323\u0307"},
    {R"({"type": "NFKC"})", "\u1E9B\u0323", "\u1E69"},
    {R"({"type": "NFKD"})", "\u1E9B\u0323", "s\u0323\u0307"},
    {R"({"type": "NFC"})", "\u1112\u1161\u11AB", "\uD55C"},  // a Hangul syllable is its jamo
};

TEST(Normalizers, NormalFormsAreUnicodes) {
  for (const NormalizerCase& one : kNormalForms)
    EXPECT_EQ(normalized(one.step, one.text), one.result) << one.step << " of " << one.text;
}

// White_Space has the ideographic space and not the one without width.
TEST(Normalizers, StripTakesWhatUnicodeCallsWhiteSpace) {
  EXPECT_EQ(normalized(R"({"type": "Strip"})", "\u3000\u00A0a\u200B\u2029"), "a\u200B");
  EXPECT_EQ(normalized(R"({"type": "Strip"})", " \n\u3000"), "");
}

// Letter by letter: no final sigma.
TEST(Normalizers, LowercaseKnowsNoContext) {
  EXPECT_EQ(normalized(R"({"type": "Lowercase"})", "ΟΔΟΣ"), "οδοσ");
}

TEST(Normalizers, NoneLeavesTheText) {
  EXPECT_TRUE(make_normalizers(nullptr, "test").empty());
  EXPECT_EQ(normalized(R"({"type": "Sequence", "normalizers": []})", " É"), " É");
}

TEST(Normalizers, WhatIsNotKnownIsAnError) {
  for (const char* step : {
           R"({"type": "Nmt"})",
           R"({"kind": "NFC"})",
           R"({"type": "Prepend"})",
           R"({"type": "Replace", "pattern": {"Regex": "("}, "content": ""})",
           R"({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "?"}]})",
       })
    EXPECT_THROW(make_normalizers(TokenizerJson::parse(step), "test"), FormatError) << step;
}

}  // namespace
}  // namespace tandem
