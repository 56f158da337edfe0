// SPDX-License-Identifier: Apache-2.0
// Small vocabularies of every kind on a text: ids and offsets as the tokenizers library (0.23)
// gives them.
#include <gtest/gtest.h>

#include "tokenizer/loaders.h"

namespace tandem {
namespace {

struct Case {
  const char *json, *text;
  std::vector<int32_t> ids;
  std::vector<TokenSpan> offsets;
};

void expect_cases(std::span<const Case> cases, EncodeOptions options = {}) {
  for (const Case& one : cases) {
    const auto tokenizer = parse_tokenizer_json(one.json, "test");
    const Encoding encoding = tokenizer->encode_with_offsets(one.text, options);
    EXPECT_EQ(encoding.ids, one.ids) << one.json;
    EXPECT_EQ(encoding.offsets, one.offsets) << one.json;
    EXPECT_EQ(tokenizer->encode(one.text, options), one.ids) << one.json;
  }
}

// Merges of one rank go from the left; a lower rank goes first; what is unknown.
const Case kModels[] = {
    {R"({"model": {"type": "BPE", "vocab": {"a": 0, "aa": 1}, "merges": ["a a"]}})",
     "aaa",
     {1, 0},
     {{0, 2}, {2, 3}}},
    {R"({"model": {"type": "BPE", "vocab": {"a": 0, "aa": 1, "aaa": 2}, "merges": ["a a", "a aa"]}})",
     "aaaaa",
     {1, 1, 0},
     {{0, 2}, {2, 4}, {4, 5}}},
    {R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "bc": 3, "ab": 4}, "merges": ["b c", "a b"]}})",
     "abcab",
     {0, 3, 4},
     {{0, 1}, {1, 3}, {3, 5}}},
    {R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "abab": 3}, "merges": ["a b", "ab ab"]}})",
     "ababab",
     {3, 2},
     {{0, 4}, {4, 6}}},
    {R"({"model": {"type": "BPE", "vocab": {"<u>": 0, "a": 1, "b": 2, "<0xC3>": 3, "<0xA9>": 4, "<0xE2>": 5}, "merges": [], "unk_token": "<u>", "byte_fallback": true}})",
     "aéb€",
     {1, 3, 4, 2, 0},
     {{0, 1}, {1, 2}, {1, 2}, {2, 3}, {3, 4}}},
    {R"({"model": {"type": "BPE", "vocab": {"<u>": 0, "a": 1}, "merges": [], "unk_token": "<u>", "fuse_unk": false}})",
     "xyaz",
     {0, 0, 1, 0},
     {{0, 1}, {1, 2}, {2, 3}, {3, 4}}},
    {R"({"model": {"type": "BPE", "vocab": {"<u>": 0, "a": 1}, "merges": [], "unk_token": "<u>", "fuse_unk": true}})",
     "xyaz",
     {0, 1, 0},
     {{0, 2}, {2, 3}, {3, 4}}},
    {R"({"model": {"type": "BPE", "vocab": {"a": 0, "##b": 1, "##c": 2, "a##b": 3, "ab": 4, "abc": 5, "##bc": 6}, "merges": ["##b ##c", "a ##b"], "continuing_subword_prefix": "##"}, "pre_tokenizer": {"type": "WhitespaceSplit"}})",
     "abc ab",
     {0, 6, 4},
     {{0, 1}, {1, 3}, {4, 6}}},
    {R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "b</w>": 2, "a</w>": 3, "ab</w>": 4, "ab": 5}, "merges": ["a b</w>", "a b"], "end_of_word_suffix": "</w>"}, "pre_tokenizer": {"type": "WhitespaceSplit"}})",
     "ab aba",
     {4, 5, 3},
     {{0, 2}, {3, 5}, {5, 6}}},
    {R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "bc": 4, "abc": 5}, "merges": ["a b"], "ignore_merges": true}, "pre_tokenizer": {"type": "WhitespaceSplit"}})",
     "abc bc abca",
     {5, 4, 3, 2, 0},
     {{0, 3}, {4, 6}, {7, 9}, {9, 10}, {10, 11}}},
    {R"({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<u>", 0.0], ["a", -1.0], ["b", -1.5], ["ab", -2.25], ["abb", -4.5], ["bb", -2.5]]}})",
     "abbab",
     {1, 5, 3},
     {{0, 1}, {1, 3}, {3, 5}}},
    {R"({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<u>", 0.0], ["a", -1.0], ["b", -1.0], ["ab", -2.0]]}})",
     "abab",
     {3, 3},
     {{0, 2}, {2, 4}}},
    {R"({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<u>", 0.0], ["a", -1.0], ["xy", -50.0]]}})",
     "axyzzxya",
     {1, 2, 0, 2, 1},
     {{0, 1}, {1, 3}, {3, 5}, {5, 7}, {7, 8}}},
    // An unknown character costs ten more than the worst piece: -60 + 5 for "x", "y".
    {R"({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<u>", 0.0], ["y", 5.0], ["xy", -50.0]]}})",
     "xyx",
     {2, 0},
     {{0, 2}, {2, 3}}},
    {R"({"model": {"type": "Unigram", "unk_id": 0, "byte_fallback": true, "vocab": [["<u>", 0.0], ["a", -1.0], ["<0xC3>", -9.0], ["<0xA9>", -9.0]]}})",
     "aéaz",
     {1, 2, 3, 1, 0},
     {{0, 1}, {1, 2}, {1, 2}, {2, 3}, {3, 4}}},
    {R"({"model": {"type": "WordPiece", "unk_token": "[U]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 6, "vocab": {"[U]": 0, "un": 1, "##aff": 2, "##able": 3, "##a": 4, "a": 5, "unaff": 6, "able": 7}}, "pre_tokenizer": {"type": "WhitespaceSplit"}})",
     "unaff unaffa una aff unafx ableable",
     {6, 6, 4, 1, 4, 0, 0, 0},
     {{0, 5}, {6, 11}, {11, 12}, {13, 15}, {15, 16}, {17, 20}, {21, 26}, {27, 35}}},
};

TEST(TokenModels, EncodeAsTheTokenizersLibrary) { expect_cases(kModels); }

const Case kPostProcessors[] = {
    {R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "[C]": 2, "[S]": 3}, "merges": []}, "post_processor": {"type": "BertProcessing", "sep": ["[S]", 3], "cls": ["[C]", 2]}})",
     "ab",
     {2, 0, 1, 3},
     {{0, 0}, {0, 1}, {1, 2}, {0, 0}}},
    {R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "[C]": 2, "[S]": 3}, "merges": []}, "post_processor": {"type": "RobertaProcessing", "sep": ["[S]", 3], "cls": ["[C]", 2], "trim_offsets": true, "add_prefix_space": true}})",
     "ab",
     {2, 0, 1, 3},
     {{0, 0}, {0, 1}, {1, 2}, {0, 0}}},
    {R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "<s>": 2, "</s>": 3}, "merges": []}, "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}], "special_tokens": {"<s>": {"id": "<s>", "ids": [2], "tokens": ["<s>"]}, "</s>": {"id": "</s>", "ids": [3], "tokens": ["</s>"]}}}})",
     "ab",
     {2, 2, 0, 1, 3},
     {{0, 0}, {0, 0}, {0, 1}, {1, 2}, {0, 0}}},
    {R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "Ġ": 2, "Ġa": 3}, "merges": ["Ġ a"]}, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}, "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}})",
     "a a  b",
     {3, 3, 2, 2, 1},
     {{0, 1}, {2, 3}, {4, 4}, {5, 5}, {5, 6}}},
    {R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "Ġ": 2, "Ġa": 3}, "merges": ["Ġ a"]}, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true}, "post_processor": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true}})",
     "a a  b",
     {0, 3, 2, 2, 1},
     {{0, 1}, {1, 3}, {3, 4}, {4, 5}, {5, 6}}},
    {R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "Ġ": 2, "Ġa": 3}, "merges": ["Ġ a"]}, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}, "post_processor": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}})",
     " a a  b",
     {3, 3, 2, 2, 1},
     {{1, 2}, {3, 4}, {5, 5}, {6, 6}, {6, 7}}},
};

TEST(PostProcessors, FrameAndTrimAsTheTokenizersLibrary) {
  expect_cases(kPostProcessors, {.add_special = true});
}

const Case kAddedTokens[] = {
    {R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, " ": 3}, "merges": []}, "added_tokens": [{"id": 4, "content": "[T]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": false}]})",
     "a[T]b",
     {0, 4, 1},
     {{0, 1}, {1, 4}, {4, 5}}},
    {R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, " ": 3}, "merges": []}, "added_tokens": [{"id": 4, "content": "[T]", "single_word": false, "lstrip": true, "rstrip": false, "normalized": false, "special": false}]})",
     "a  [T] b",
     {0, 4, 3, 1},
     {{0, 1}, {1, 6}, {6, 7}, {7, 8}}},
    {R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, " ": 3}, "merges": []}, "added_tokens": [{"id": 4, "content": "[T]", "single_word": false, "lstrip": false, "rstrip": true, "normalized": false, "special": false}]})",
     "a [T]  b",
     {0, 3, 4, 1},
     {{0, 1}, {1, 2}, {2, 7}, {7, 8}}},
    {R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, " ": 3}, "merges": []}, "added_tokens": [{"id": 4, "content": "ab", "single_word": true, "lstrip": false, "rstrip": false, "normalized": false, "special": false}]})",
     "ab cab ab",
     {4, 3, 2, 0, 1, 3, 4},
     {{0, 2}, {2, 3}, {3, 4}, {4, 5}, {5, 6}, {6, 7}, {7, 9}}},
    {R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, " ": 3}, "merges": []}, "added_tokens": [{"id": 4, "content": "ab", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": false}, {"id": 5, "content": "abc", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": false}]})",
     "abcab",
     {5, 4},
     {{0, 3}, {3, 5}}},
};

TEST(AddedTokens, AreFoundAsTheTokenizersLibraryFindsThem) { expect_cases(kAddedTokens); }

}  // namespace
}  // namespace tandem
