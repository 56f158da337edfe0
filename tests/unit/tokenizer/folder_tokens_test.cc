// SPDX-License-Identifier: Apache-2.0
// What stands beside a vocabulary. The ids are those of transformers 4.57 and 5.24 where both agree,
// else the test says whose.
#include "tokenizer/folder_tokens.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.h"
#include "core/json.h"
#include "support/temporary_folder.h"
#include "support/tiny_sentencepiece.h"
#include "tokenizer/tokenizer.h"

namespace tandem {
namespace {

using Ids = std::vector<int32_t>;

// 0 <s>, 1 </s>, 2 a, 3 b, 4 ab.
Json tiny_tokenizer(bool with_template = false) {
  Json json = {{"added_tokens",
                {{{"id", 0}, {"content", "<s>"}, {"special", true}, {"normalized", false}},
                 {{"id", 1}, {"content", "</s>"}, {"special", true}, {"normalized", false}}}},
               {"model",
                {{"type", "BPE"},
                 {"vocab", {{"<s>", 0}, {"</s>", 1}, {"a", 2}, {"b", 3}, {"ab", 4}}},
                 {"merges", Json::array({Json::array({"a", "b"})})}}}};
  if (with_template)
    json["post_processor"] = {
        {"type", "TemplateProcessing"},
        {"single",
         {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
          {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
        {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {0}}, {"tokens", {"<s>"}}}}}}};
  return json;
}

class FolderTokensTest : public testing::Test {
 protected:
  void SetUp() override { write("tokenizer.json", tiny_tokenizer()); }
  void write(const char* name, const Json& json) { write_json(folder_ / name, json); }
  std::unique_ptr<Tokenizer> load(const Json& config) {
    write("tokenizer_config.json", config);
    return load_tokenizer(folder_ / "");
  }
  Ids framed(const Json& config) { return load(config)->encode("ab", {.add_special = true}); }
  std::string refusal(const Json& config) {
    try {
      load(config);
      return "";
    } catch (const FormatError& error) {
      return error.what();
    }
  }

  test::TemporaryFolder folder_;
};

TEST_F(FolderTokensTest, AddedTokensFollowTheVocabulary) {
  const auto tokenizer =
      load({{"added_tokens_decoder",
             {{"6", {{"content", "<plain>"}, {"special", false}, {"normalized", false}}},
              {"5", {{"content", "<x>"}, {"special", true}}}}}});
  EXPECT_EQ(tokenizer->encode("ab<x>a<plain>", {.parse_special = true}), (Ids{4, 5, 2, 6}));
  EXPECT_EQ(tokenizer->encode("a<plain>b"), (Ids{2, 6, 3})) << "also in what users type";
  EXPECT_EQ(tokenizer->vocab_size(), 7);
  EXPECT_TRUE(tokenizer->is_special(5));
  EXPECT_FALSE(tokenizer->is_special(6));
  EXPECT_EQ(tokenizer->decode(Ids{4, 5, 6}), "ab <x> <plain>");
  EXPECT_EQ(tokenizer->decode(Ids{4, 5, 6}, true), "ab <plain>");
}

TEST_F(FolderTokensTest, AKnownTextKeepsItsIdAndAGapIsClosed) {
  const auto tokenizer = load({{"added_tokens_decoder",
                                {{"1", {{"content", "</s>"}, {"special", false}}},
                                 {"3", {{"content", "<taken>"}, {"special", true}}},
                                 {"9", {{"content", "<gap>"}, {"special", true}}},
                                 {"12", {{"content", "ab"}, {"special", true}}}}}});
  EXPECT_EQ(tokenizer->find_piece("</s>"), 1);
  EXPECT_FALSE(tokenizer->is_special(1)) << "flags are the newer ones";
  EXPECT_EQ(tokenizer->find_piece("<taken>"), 5);
  EXPECT_EQ(tokenizer->find_piece("<gap>"), 6);
  EXPECT_EQ(tokenizer->find_piece("ab"), 4);
  EXPECT_TRUE(tokenizer->is_special(4));
  EXPECT_EQ(tokenizer->piece(3), "b");
}

TEST_F(FolderTokensTest, NamesThatNoVocabularyHasAreAdded) {
  const auto tokenizer = load({{"bos_token", "<s>"},
                               {"eos_token", {{"__type", "AddedToken"}, {"content", "<end>"}}},
                               {"pad_token", "<pad>"},
                               {"additional_special_tokens", {"<u>", "<end>"}},
                               {"extra_special_tokens", {{"image_token", "<i>"}}}});
  EXPECT_EQ(tokenizer->bos_id(), 0);
  EXPECT_EQ(tokenizer->eos_id(), 5);
  EXPECT_EQ(tokenizer->pad_id(), 6);
  EXPECT_EQ(tokenizer->encode("<u><i>a<end>", {.parse_special = true}), (Ids{7, 8, 2, 5}));
  for (const int32_t id : {5, 6, 7, 8}) EXPECT_TRUE(tokenizer->is_special(id)) << id;
}

TEST_F(FolderTokensTest, TheOldFilesCountWithoutAnAddedTokensDecoder) {
  write("added_tokens.json", {{"<b>", 6}, {"<end>", 5}});
  write("special_tokens_map.json",
        {{"eos_token", "<end>"}, {"additional_special_tokens", {"<u>"}}});
  auto tokenizer = load({{"eos_token", "</s>"}});
  EXPECT_EQ(tokenizer->eos_id(), 5) << "the map goes before tokenizer_config.json";
  EXPECT_TRUE(tokenizer->is_special(5));
  EXPECT_EQ(tokenizer->find_piece("<b>"), 6);
  EXPECT_FALSE(tokenizer->is_special(6));
  EXPECT_EQ(tokenizer->find_piece("<u>"), 7);

  tokenizer = load({{"eos_token", "</s>"},
                    {"added_tokens_decoder", {{"5", {{"content", "<x>"}, {"special", true}}}}}});
  EXPECT_EQ(tokenizer->eos_id(), 1);
  EXPECT_EQ(tokenizer->find_piece("<x>"), 5);
  EXPECT_EQ(tokenizer->find_piece("<b>"), std::nullopt);
}

TEST_F(FolderTokensTest, FlagsBuildTheTemplateOfClassesThatDoSo) {
  const Json names = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
  const auto config = [&](const char* name, Json flags) {
    Json json = names;
    json["tokenizer_class"] = name;
    json.update(flags);
    return json;
  };
  const Json yes = {{"add_bos_token", true}}, no = {{"add_bos_token", false}},
             both = {{"add_bos_token", true}, {"add_eos_token", true}},
             eos = {{"add_eos_token", true}};
  for (const char* name : {"LlamaTokenizerFast", "LlamaTokenizer", "CodeLlamaTokenizer",
                           "GemmaTokenizerFast", "CohereTokenizerFast", "GPTNeoXTokenizerFast"}) {
    SCOPED_TRACE(name);  // transformers 4; 5 looks at none of the flags
    EXPECT_EQ(framed(config(name, yes)), (Ids{0, 4}));
    EXPECT_EQ(framed(config(name, both)), (Ids{0, 4, 1}));
    EXPECT_EQ(framed(config(name, no)), (Ids{4}));
  }
  EXPECT_EQ(framed(config("LlamaTokenizerFast", Json::object())), (Ids{0, 4}));
  EXPECT_EQ(framed(config("LlamaTokenizerFast", eos)), (Ids{0, 4, 1}));
  EXPECT_EQ(framed(config("GPTNeoXTokenizerFast", Json::object())), (Ids{4}));
  for (const char* name : {"PreTrainedTokenizerFast", "GPT2TokenizerFast", "Qwen2TokenizerFast"})
    EXPECT_EQ(framed(config(name, both)), (Ids{4})) << name;

  write("tokenizer.json", tiny_tokenizer(true));
  EXPECT_EQ(framed(config("LlamaTokenizer", Json::object())), (Ids{0, 4}));
  EXPECT_EQ(framed(config("LlamaTokenizer", no)), (Ids{4}));  // 5: the template of the file
  EXPECT_EQ(framed(config("PreTrainedTokenizerFast", no)), (Ids{0, 4}));
  EXPECT_EQ(framed({{"add_bos_token", true}, {"bos_token", nullptr}}), (Ids{0, 4}));
}

// A guess at BOS in prompts is left to files that say nothing.
TEST_F(FolderTokensTest, SaysThatNoBosIsAdded) {
  const auto no_bos = [&](const Json& config) { return load(config)->special_ids().no_bos; };
  EXPECT_FALSE(no_bos({{"bos_token", "<s>"}}));
  EXPECT_FALSE(no_bos({{"tokenizer_class", "PreTrainedTokenizerFast"}}));
  EXPECT_FALSE(no_bos({{"tokenizer_class", "GPT2Tokenizer"}, {"add_bos_token", true}}));
  EXPECT_TRUE(no_bos({{"tokenizer_class", "GPT2Tokenizer"}}));
  EXPECT_TRUE(no_bos({{"tokenizer_class", "Qwen2TokenizerFast"}}));
  EXPECT_TRUE(no_bos({{"tokenizer_class", "PreTrainedTokenizerFast"}, {"add_bos_token", false}}));
}

TEST_F(FolderTokensTest, SentencePieceModelsGetThemToo) {
  fs::remove(folder_ / "tokenizer.json");
  write_file(folder_ / "tokenizer.model", test::tiny_sentencepiece());
  write("added_tokens.json", {{"[PAD]", 8}, {"<|end|>", 9}, {"<|start|>", 10}});
  const Json config = {{"tokenizer_class", "LlamaTokenizer"},
                       {"bos_token", "<s>"},
                       {"eos_token", "<|end|>"},
                       {"pad_token", "[PAD]"}};
  auto tokenizer = load(config);
  EXPECT_EQ(tokenizer->encode("ab", {.add_special = true}), (Ids{1, 3, 6}));
  EXPECT_EQ(tokenizer->eos_id(), 9);
  EXPECT_EQ(tokenizer->pad_id(), 8);
  EXPECT_EQ(tokenizer->encode("a<|start|>b<|end|>", {.parse_special = true}),
            (Ids{7, 10, 3, 5, 9}));
  const Ids typed = tokenizer->encode("a<|start|>b<|end|>");
  EXPECT_EQ(Ids(typed.begin(), typed.begin() + 4), (Ids{7, 10, 3, 5})) << "not special: found";
  EXPECT_EQ(std::count(typed.begin(), typed.end(), 9), 0) << "special: the user's text";
  EXPECT_EQ(tokenizer->decode(Ids{7, 10, 5, 9}), "a<|start|>b<|end|>");
  EXPECT_EQ(tokenizer->decode(Ids{7, 10, 5, 9}, true), "a<|start|>b");
  EXPECT_EQ(tokenizer->vocab_size(), 11);
  EXPECT_EQ(tokenizer->piece(10), "<|start|>");
  EXPECT_THROW(tokenizer->piece(11), DataError);
  const Encoding encoding = tokenizer->encode_with_offsets("a[PAD]", {.parse_special = true});
  EXPECT_EQ(encoding.ids, (Ids{7, 8}));
  EXPECT_EQ(encoding.offsets[1], (TokenSpan{1, 6}));

  Json flags = config;
  flags["add_eos_token"] = true;
  EXPECT_EQ(load(flags)->encode("ab", {.add_special = true}), (Ids{1, 3, 6, 9}));
  flags["add_bos_token"] = false;
  EXPECT_EQ(load(flags)->encode("ab", {.add_special = true}), (Ids{3, 6, 9}));
  EXPECT_TRUE(load(flags)->special_ids().no_bos);
}

TEST_F(FolderTokensTest, WhatIsWrongNamesFileAndKey) {
  const auto names = [](const std::string& text, const char* file, const char* key) {
    return text.find(file) != std::string::npos && text.find(key) != std::string::npos;
  };
  for (const Json& decoder :
       {Json(3), Json{{"x", {{"content", "a"}}}}, Json{{"-1", {{"content", "a"}}}},
        Json{{"5", "a"}}, Json{{"5", {{"content", 5}}}}, Json{{"5", Json::object()}}})
    EXPECT_TRUE(names(refusal({{"added_tokens_decoder", decoder}}), "tokenizer_config.json",
                      "added_tokens_decoder"))
        << decoder;
  EXPECT_TRUE(names(refusal({{"eos_token", 3}}), "tokenizer_config.json", "eos_token"));
  EXPECT_TRUE(names(refusal({{"add_bos_token", "x"}, {"tokenizer_class", "LlamaTokenizer"}}),
                    "tokenizer_config.json", "add_bos_token"));
  EXPECT_TRUE(names(refusal({{"additional_special_tokens", "x"}}), "tokenizer_config.json",
                    "additional_special_tokens"));
  write("added_tokens.json", {{"<x>", "5"}});
  EXPECT_TRUE(names(refusal(Json::object()), "added_tokens.json", "<x>"));
  write("added_tokens.json", Json::array());
  EXPECT_TRUE(names(refusal(Json::object()), "added_tokens.json", "object"));
}

}  // namespace
}  // namespace tandem
