// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "rank/prompt.h"
#include "support/ranker_world.h"
#include "tokenizer/tokenizer.h"

namespace tandem {
namespace {

// The fingerprint is of the titles as they are cut: what two models read, whatever cut it.
TEST(ItemTitles, FingerprintIsOfTheTextThatIsShown) {
  const test::TemporaryFolder folder;
  ThreadPool pool(1);
  const Dataset dataset = test::tiny_dataset(folder);
  const auto tokenizer = load_tokenizer(test::tiny_base(folder, pool));
  const auto titles = [&](const std::string& truncation) {
    PromptConfig prompt;
    prompt.title_truncation = truncation;
    const TitleCutter cutter(prompt, *tokenizer);
    return ItemTitles(dataset, cutter, pool);
  };
  EXPECT_EQ(titles("chars:6")[3], "Film n");
  EXPECT_EQ(titles("chars:100")[3], "Film number 3");
  const std::string whole = titles("chars:100").fingerprint();
  EXPECT_EQ(titles("chars:14").fingerprint(), whole);  // the longest has 14 letters
  EXPECT_NE(titles("chars:13").fingerprint(), whole);  // "Film number 10" and its like are cut
  EXPECT_EQ(titles("model").fingerprint(), whole);     // 32 tokens are more than any has
}

}  // namespace
}  // namespace tandem
