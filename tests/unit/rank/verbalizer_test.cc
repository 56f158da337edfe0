// SPDX-License-Identifier: Apache-2.0
#include "rank/verbalizer.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "support/llama2_like.h"
#include "support/ranker_world.h"

namespace tandem {
namespace {

using Ids = std::vector<int32_t>;

TEST(Verbalizer, ExactIsTheBareLetterAndCompatTheOneWithABlank) {
  const auto tokenizer = test::llama2_like();
  PromptConfig config;
  config.num_candidates = 4;
  const PromptEncoder encoder(*tokenizer, config);
  const Verbalizer exact = make_verbalizer(encoder, config);
  EXPECT_FALSE(exact.compat);
  EXPECT_EQ(exact.ids, (Ids{260, 261, 262, 263}));
  EXPECT_EQ(exact.trained, exact.ids);
  config.verbalizer = "compat";
  const Verbalizer compat = make_verbalizer(encoder, config);
  EXPECT_TRUE(compat.compat);
  EXPECT_EQ(compat.ids, (Ids{286, 287, 288, 289}));
  EXPECT_EQ(compat.trained, exact.ids) << "training supervises the exact ones";
}

TEST(Verbalizer, LettersThatShareATokenAreRefused) {
  const auto tokenizer = test::llama2_like(false);  // a letter alone begins with the mark
  PromptConfig config;
  config.num_candidates = 2;
  const PromptEncoder encoder(*tokenizer, config);
  EXPECT_EQ(make_verbalizer(encoder, config).ids, (Ids{260, 261}));
  config.verbalizer = "compat";
  try {
    make_verbalizer(encoder, config);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_STREQ(error.what(), "compat verbalizer: the letters 'A' and 'B' are both token 259");
  }
}

// A byte-level vocabulary has a piece for each letter, and a letter alone is that piece.
TEST(Verbalizer, OfAByteLevelTokenizerIsTheLettersOwnPiece) {
  const test::TemporaryFolder folder;
  ThreadPool pool(1);
  const auto tokenizer = load_tokenizer(test::tiny_base(folder, pool));
  PromptConfig config;
  config.num_candidates = 52;
  const PromptEncoder encoder(*tokenizer, config);
  Ids pieces;
  for (const char letter : std::string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))
    pieces.push_back(tokenizer->find_piece(std::string(1, letter)).value());
  for (const char* kind : {"exact", "compat"}) {
    config.verbalizer = kind;
    EXPECT_EQ(make_verbalizer(encoder, config).ids, pieces) << kind;
  }
}

}  // namespace
}  // namespace tandem
