// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/error.h"
#include "core/json.h"
#include "tokenizer/loaders.h"
#include "tokenizer/unicode.h"

namespace tandem {
namespace {

// "ab" and "abc" merge, U+2581 stands for spaces, <s> is special, [T] is not.
Json small_json() {
  return parse_json(R"({
    "added_tokens": [
      {"id": 0, "content": "<s>", "special": true, "normalized": false},
      {"id": 9, "content": "[T]", "special": false, "normalized": false}],
    "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    "pre_tokenizer": null,
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}},
    "decoder": {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
    "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true,
      "vocab": {"<s>": 0, "<unk>": 1, "a": 2, "b": 3, "c": 4, "▁": 5, "ab": 6, "abc": 7, "▁a": 8},
      "merges": ["a b", "ab c", "▁ a"]}})",
                    "small");
}

std::unique_ptr<PipelineTokenizer> parse(const Json& json) {
  return parse_tokenizer_json(json.dump(), "small");
}

using Ids = std::vector<int32_t>;

TEST(TokenizerJson, MergesByRank) {
  const auto tokenizer = parse(small_json());
  // "a b" ranks before the mark's merge, so the mark stays alone before "abc".
  EXPECT_EQ(tokenizer->encode("abc abc ac"), (Ids{7, 5, 7, 8, 4}));
  EXPECT_EQ(tokenizer->decode(Ids{7, 5, 7, 8, 4}), "abc abc ac");
}

TEST(TokenizerJson, UserTextNeverYieldsSpecialTokens) {
  const auto tokenizer = parse(small_json());
  EXPECT_EQ(tokenizer->encode("a<s>a"),
            (Ids{2, 1, 2}));  // "<s>" is one stretch of unknown characters
  EXPECT_EQ(tokenizer->encode("a<s>a", {.parse_special = true}), (Ids{2, 0, 2}));
  EXPECT_EQ(tokenizer->encode("a[T]a"), (Ids{2, 9, 2}));
  EXPECT_EQ(tokenizer->encode("a", {.add_special = true}), (Ids{0, 2}));
  EXPECT_EQ(tokenizer->bos_id(), 0);
  EXPECT_EQ(tokenizer->unk_id(), 1);
}

TEST(TokenizerJson, OffsetsCountCodePoints) {
  const Encoding encoding = parse(small_json())->encode_with_offsets("é abc");
  EXPECT_EQ(encoding.ids, (Ids{1, 5, 7}));
  EXPECT_EQ(encoding.offsets, (std::vector<TokenSpan>{{0, 1}, {1, 2}, {2, 5}}));
}

TEST(TokenizerJson, IdsOutsideTheVocabularyAreErrors) {
  const auto tokenizer = parse(small_json());
  EXPECT_THROW(tokenizer->decode(Ids{10}), DataError);
  EXPECT_THROW(tokenizer->decode(Ids{-1}), DataError);
}

TEST(TokenizerJson, HostileFilesAreErrors) {
  const auto expect_error = [](const char* pointer, const Json& value) {
    Json json = small_json();
    json[Json::json_pointer(pointer)] = value;
    EXPECT_THROW(parse(json), FormatError) << pointer << " " << value.dump();
  };
  expect_error("/model/vocab/a", 4'000'000'000ll);
  expect_error("/model/vocab/a", 1'000'000'000);  // would ask for gigabytes
  expect_error("/model/vocab/a", -1);
  expect_error("/model/vocab/a", "2");
  expect_error("/model/vocab", Json::array());
  expect_error("/model/type", "CRF");
  expect_error("/model/unk_token", "nope");
  expect_error("/model/merges/0", "ab");
  expect_error("/model/merges/0", "a z");
  expect_error("/model/merges/0", Json::array({"a"}));
  expect_error("/model/merges/0", 5);
  expect_error("/model", 5);
  expect_error("/added_tokens/0/id", 1'000'000'000);
  expect_error("/added_tokens", 5);
  expect_error("/normalizer/pattern", Json{{"Regex", "(("}});
  expect_error("/normalizer/type", "Nope");
  expect_error("/normalizer", Json{{"type", "Precompiled"}, {"precompiled_charsmap", "AAD/"}});
  expect_error("/pre_tokenizer", Json{{"type", "Split"}});
  expect_error("/post_processor/special_tokens", Json::object());
  expect_error("/post_processor/special_tokens/<s>/ids", Json::array({77}));
  expect_error("/decoder/type", "Nope");
  Json nested = 1;
  for (int i = 0; i < 100; ++i) nested = Json::array({nested});
  expect_error("/decoder", nested);
  EXPECT_THROW(parse_tokenizer_json("", "empty"), FormatError);
  EXPECT_THROW(parse_tokenizer_json("[1]", "list"), FormatError);
}

TEST(TokenizerJson, EveryPrefixOfAFileIsAnError) {
  const std::string text = small_json().dump();
  for (size_t n = 0; n < text.size(); n += 7) {
    EXPECT_THROW(parse_tokenizer_json(text.substr(0, n), "cut"), FormatError) << n;
  }
}

TEST(TokenizerJson, ARegexWithoutEndGivesUp) {
  Json json = small_json();
  json["pre_tokenizer"] = {
      {"type", "Split"}, {"pattern", {{"Regex", "(a+)+$"}}}, {"behavior", "Isolated"}};
  EXPECT_THROW(parse(json)->encode(std::string(64, 'a') + "b"), DataError);
}

TEST(TokenizerJson, RulesThatSwellTheTextGiveUp) {
  Json json = small_json();
  Json doubling = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}};
  json["normalizer"] = {{"type", "Sequence"}, {"normalizers", std::vector<Json>(60, doubling)}};
  EXPECT_THROW(parse(json)->encode("a"), DataError);
  json = small_json();
  json["decoder"] = {{"type", "Sequence"}, {"decoders", std::vector<Json>(60, doubling)}};
  EXPECT_THROW(parse(json)->decode(Ids{2}), DataError);
  json = small_json();
  json["pre_tokenizer"] = {{"type", "Sequence"},
                           {"pretokenizers", std::vector<Json>(100'000, {{"type", "Digits"}})}};
  EXPECT_THROW(parse(json), FormatError);
}

// Cutting words at their marks is a short cut; a merge that crosses them forbids it.
TEST(Bpe, MergesAcrossTheMarkAreHonoured) {
  Json json = small_json();
  json["model"]["vocab"]["c▁"] = 10;
  json["model"]["merges"].insert(json["model"]["merges"].begin(), "c ▁");
  EXPECT_EQ(parse(json)->encode("c a"), (Ids{10, 2}));
}

RC_GTEST_PROP(Bpe, OffsetsAndIdsDoNotDependOnTheCache, (std::vector<uint8_t> bytes)) {
  static const auto tokenizer = parse(small_json());
  static constexpr std::string_view kLetters[] = {"a", "b", "c", " ", "é"};
  std::string text;
  for (const uint8_t byte : bytes) text += kLetters[byte % 5];
  const auto fresh = parse(small_json());
  const Encoding encoding = fresh->encode_with_offsets(text);
  RC_ASSERT(encoding.ids == tokenizer->encode(text));
  int64_t at = 0;
  for (const TokenSpan& span : encoding.offsets) {
    RC_ASSERT(span.begin == at);
    at = span.end;
  }
  RC_ASSERT(at == static_cast<int64_t>(bytes.size()));
}

TEST(Unicode, IllFormedBytesBecomeReplacementCharacters) {
  EXPECT_EQ(repair_utf8("a\xFFz"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(repair_utf8("\xF0\x9F\x98"), "\xEF\xBF\xBD");  // one maximal part
  EXPECT_EQ(repair_utf8("\xED\xA0\x80"),
            "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");  // a surrogate: three
  EXPECT_TRUE(is_valid_utf8("\xF0\x9F\x98\x80"));
  EXPECT_FALSE(is_valid_utf8("\xC0\x80"));
}

TEST(Unicode, ComposesMarksOverTheirSources) {
  const auto nfc = normal_form(U"e\u0301x", NormalForm::kNfc);
  ASSERT_EQ(nfc.size(), 2u);
  EXPECT_EQ(nfc[0].c, U'\u00E9');
  EXPECT_EQ(nfc[0].change, -1);
  EXPECT_EQ(normal_form(U"\u00E9", NormalForm::kNfc)[0].change, 0);
  EXPECT_EQ(normal_form(U"\uAC01", NormalForm::kNfd).size(), 3u);
}

}  // namespace
}  // namespace tandem
