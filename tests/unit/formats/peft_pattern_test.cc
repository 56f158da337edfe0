// SPDX-License-Identifier: Apache-2.0
#include "formats/peft_pattern.h"

#include <gtest/gtest.h>

#include <string>

#include "core/error.h"

namespace tandem {
namespace {

constexpr const char* kQuery = "model.layers.0.self_attn.q_proj";

// What re.match(rf"(.*\.)?({pattern})$", name) of Python 3.11 said.
TEST(PeftPattern, MatchesAsPythonDoes) {
  for (const char* pattern :
       {"q_proj", "self_attn.q_proj", kQuery, "layers.0.+_proj", "q_?proj", "^model.*q_proj",
        "(q|v)_proj", "model\\.layers\\.\\d+\\.self_attn\\.[qkv]_proj", ".*\\.layers\\.[0-3]\\..*",
        "layers\\.(?:0|11)\\.self_attn\\.(?!k_)\\w+", "(?i:Q_PROJ)", "q_proj$", "q_[^\\W\\d]{4}",
        "(?P<a>q)_proj", ".{,6}"})
    EXPECT_TRUE(peft_pattern_matches(pattern, kQuery)) << pattern;
  for (const char* pattern : {"^layers", "proj", "^model$", "^model\\.layers\\.0", "layers.1.*",
                              "(k|v)_proj", "[0-9]+", "layers\\.[1-9]\\..*", "Q_PROJ", "_proj"})
    EXPECT_FALSE(peft_pattern_matches(pattern, kQuery)) << pattern;
  EXPECT_TRUE(peft_pattern_matches("model.layers.0.\u00e4", "model.layers.0.\u00e4"));
}

TEST(PeftPattern, WhatPythonRefusesNamesThePlace) {
  for (const char* pattern : {"*", "(q", "q)", "[q", "\\h", "q\\", "(?<n>q)", "q(?i)", "(*FAIL)",
                              "(?R)", "q**", "\\x4", "(?P>n)", "\\Qq\\E"}) {
    try {
      peft_pattern_matches(pattern, kQuery, "adapter_config.json: rank_pattern");
      ADD_FAILURE() << pattern;
    } catch (const FormatError& error) {
      const std::string text = error.what();
      EXPECT_TRUE(text.starts_with("adapter_config.json: rank_pattern: ")) << text;
      EXPECT_NE(text.find(pattern), std::string::npos) << text;
    }
  }
}

// This would take centuries.
TEST(PeftPattern, EndlessBacktrackingGivesUp) {
  std::string name(500, 'a');
  name.back() = 'e';
  EXPECT_THROW(peft_pattern_matches("(a|aa|aaa)*(b|ba)*[cd]", name), FormatError);
}

}  // namespace
}  // namespace tandem
