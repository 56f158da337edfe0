// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/trainer.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "support/temporary_folder.h"
#include "tokenizer/loaders.h"

namespace tandem {
namespace {

using Ids = std::vector<int32_t>;
constexpr TokenizerStyle kStyles[] = {TokenizerStyle::kByteLevel, TokenizerStyle::kByteFallback};

BpeTrainer trained_on(TokenizerStyle style, std::initializer_list<const char*> texts) {
  BpeTrainer trainer(style);
  for (int i = 0; i < 5; ++i) {
    for (const char* text : texts) trainer.add_text(text);
  }
  return trainer;
}

TEST(BpeTrainer, MostFrequentPairComesFirst) {
  // Words " abab" (5 times) and " ab": (a, b) occurs most, and then " ab" and "abab" share the
  // rest.
  const auto trainer = trained_on(TokenizerStyle::kByteLevel, {" abab ab"});
  const auto tokenizer = parse_tokenizer_json(trainer.train(256 + 3 + 1), "trained");
  EXPECT_EQ(tokenizer->vocab_size(), 260);
  EXPECT_EQ(tokenizer->piece(256), "ab");
  EXPECT_EQ(tokenizer->encode("abab"), (Ids{256, 256}));
}

TEST(BpeTrainer, TextSurvivesAndMergesShorten) {
  for (const TokenizerStyle style : kStyles) {
    const auto trainer =
        trained_on(style, {"Toy Story (1995)", "Story of a toy (1996)", "Amélie 2001"});
    const auto tokenizer = parse_tokenizer_json(trainer.train(400), "trained");
    for (const char* text : {"Toy Story", "a new Story  (2001)", "日本 Amélie \n\t", "", " "}) {
      const Ids ids = tokenizer->encode(text, {.add_special = true});
      EXPECT_EQ(ids.front(), tokenizer->bos_id());
      EXPECT_EQ(tokenizer->decode(std::span(ids).subspan(1)), text);
    }
    EXPECT_LE(tokenizer->encode("Toy Story").size(), 3u);
    EXPECT_EQ(tokenizer->encode("<s><|begin_of_text|>").size() > 4, true)
        << "user text holds no special token";
  }
}

TEST(BpeTrainer, SameTextsGiveTheSameFile) {
  for (const TokenizerStyle style : kStyles) {
    EXPECT_EQ(trained_on(style, {"abc abd", "bcd abc"}).train(300),
              trained_on(style, {"abc abd", "bcd abc"}).train(300));
  }
}

TEST(BpeTrainer, TitlesBecomeSingleTokens) {
  for (const TokenizerStyle style : kStyles) {
    const auto trainer = trained_on(style, {"Toy Story", "It came, it went"});
    const auto tokenizer = parse_tokenizer_json(
        trainer.train(300, {"Toy Story", "It", "Toy Story 2", "It", "</s>", ""}), "trained");
    const Ids ids = tokenizer->encode("(A) Toy Story 2, It");
    EXPECT_EQ(std::count(ids.begin(), ids.end(), tokenizer->find_piece("Toy Story 2").value()), 1);
    EXPECT_EQ(ids.back(), tokenizer->find_piece("It").value());
    EXPECT_EQ(tokenizer->encode("Toy Story").size(), 1u);
    EXPECT_EQ(tokenizer->encode("It Toy Story  It").size(), 3u) << "blanks before a title are its";
    // A title inside a word is not the title.
    const Ids inside = tokenizer->encode("Italy");
    EXPECT_TRUE(style == TokenizerStyle::kByteLevel ||
                inside.front() != tokenizer->find_piece("It").value());
    EXPECT_FALSE(tokenizer->is_special(tokenizer->find_piece("It").value()));
  }
}

TEST(BpeTrainer, TooSmallAVocabularyIsAnError) {
  EXPECT_THROW(BpeTrainer(TokenizerStyle::kByteLevel).train(258), ConfigError);
  EXPECT_NO_THROW(BpeTrainer(TokenizerStyle::kByteFallback).train(260));
}

TEST(BpeTrainer, WritesAFolderThatLoads) {
  const test::TemporaryFolder root;
  const fs::path folder = root / "tokenizer";
  const auto trainer = trained_on(TokenizerStyle::kByteFallback, {"Toy Story"});
  StagedFolder staged(folder);
  write_tokenizer_files(staged.path(), trainer.train(280), TokenizerStyle::kByteFallback);
  staged.commit();
  EXPECT_THROW(Output(folder, kTokenizerFolder, false), IoError);
  EXPECT_TRUE(Output(folder, kTokenizerFolder, true).replaces());
  write_file(folder / "config.json", "{}");
  EXPECT_THROW(Output(folder, kTokenizerFolder, true), IoError) << "a model's folder";
  const auto tokenizer = load_tokenizer(folder);
  EXPECT_EQ(tokenizer->eos_id(), 2);
  EXPECT_EQ(tokenizer->unk_id(), 0);
}

}  // namespace
}  // namespace tandem
