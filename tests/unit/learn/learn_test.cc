// SPDX-License-Identifier: Apache-2.0
#include "learn/learn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "core/error.h"
#include "core/process_state.h"

namespace tandem::learn {
namespace {

using ::testing::HasSubstr;

std::string usage_error(const std::function<void()>& work) {
  try {
    work();
  } catch (const UsageError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no UsageError";
  return "";
}

TEST(Learn, EachVerbHasKeysOfItsOwn) {
  const Learn& learn = *tandem_learn(process_state());
  EXPECT_THAT(learn.config_help("train retriever"), HasSubstr("model.type"));
  EXPECT_THAT(learn.config_help("train ranker"), HasSubstr("model.tuning"));
  EXPECT_THAT(learn.config_help("pretrain"), HasSubstr("data.block"));
}

TEST(Learn, AnUnknownVerbIsAnErrorThatNamesTheKnown) {
  Learn& learn = *tandem_learn(process_state());
  const auto known = HasSubstr(
      "no training verb is named 'train poet'; there are: train retriever, train ranker, pretrain");
  EXPECT_THAT(usage_error([&] { learn.config_help("train poet"); }), known);
  EXPECT_THAT(usage_error([&] { learn.train({.verb = "train poet"}); }), known);
}

}  // namespace
}  // namespace tandem::learn
