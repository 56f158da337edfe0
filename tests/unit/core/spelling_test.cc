// SPDX-License-Identifier: Apache-2.0
#include "core/spelling.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

TEST(NearestWord, FindsTyposOnly) {
  const std::vector<std::string> words = {"train.lr", "train.epochs", "data.shuffle"};
  EXPECT_EQ(nearest_word("train.lrr", words), "train.lr");
  EXPECT_EQ(nearest_word("lr", words), "train.lr");
  EXPECT_EQ(nearest_word("epochs", words), "train.epochs");
  EXPECT_EQ(nearest_word("zzzzzzzz", words), "");
}

TEST(DidYouMean, IsSaidWhereAWordIsNear) {
  EXPECT_EQ(did_you_mean("lrurc", {"lrurec", "sasrec"}), "; did you mean 'lrurec'?");
  EXPECT_EQ(did_you_mean("zzzzzzzz", {"lrurec", "sasrec"}), "");
}

}  // namespace
}  // namespace tandem
