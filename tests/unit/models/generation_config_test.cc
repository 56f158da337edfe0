// SPDX-License-Identifier: Apache-2.0
#include "models/generation_config.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/json.h"
#include "models/llama_init.h"
#include "models/llama_source.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

using Ids = std::vector<int64_t>;

class GenerationConfigTest : public testing::Test {
 protected:
  void write(const Json& json) { write_json(folder_ / "generation_config.json", json); }
  test::TemporaryFolder folder_;
};

TEST_F(GenerationConfigTest, EosIsANumberOrAList) {
  EXPECT_EQ(generation_eos_tokens(folder_ / ""), Ids());
  write({{"eos_token_id", 7}});
  EXPECT_EQ(generation_eos_tokens(folder_ / ""), Ids{7});
  write({{"eos_token_id", {2, -1, 370}}});
  EXPECT_EQ(generation_eos_tokens(folder_ / ""), (Ids{2, 370}));
  write({{"eos_token_id", nullptr}});
  EXPECT_EQ(generation_eos_tokens(folder_ / ""), Ids());
  for (const Json& wrong : {Json("2"), Json{2, "x"}, Json(2.5)}) {
    write({{"eos_token_id", wrong}});
    try {
      generation_eos_tokens(folder_ / "");
      ADD_FAILURE() << wrong;
    } catch (const FormatError& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find("generation_config.json: key 'eos_token_id'"), std::string::npos) << text;
    }
  }
}

TEST_F(GenerationConfigTest, SettingsThatChangeNothingAreNotNamed) {
  EXPECT_TRUE(generation_settings(folder_ / "").empty());
  write({{"do_sample", false}, {"temperature", 1.0}, {"top_k", nullptr}, {"eos_token_id", 2}});
  EXPECT_TRUE(generation_settings(folder_ / "").empty());
  write({{"do_sample", true}, {"temperature", 0.6}, {"top_p", 1.0}, {"stop_strings", {"x"}}});
  EXPECT_EQ(generation_settings(folder_ / ""),
            (std::vector<std::string>{"do_sample", "temperature", "stop_strings"}));
}

// As in transformers: the file's tokens, not those of config.json with them.
TEST_F(GenerationConfigTest, AModelEndsWhereTheFileSays) {
  ThreadPool pool(1);
  LlamaConfig config = llama_preset("tiny");
  config.vocab_size = 32;
  config.num_layers = 1;
  config.eos_tokens = {2};
  const fs::path model = folder_ / "model";
  write_random_llama(config, {}, model, pool);
  EXPECT_EQ(open_llama(model)->config().eos_tokens, Ids{2});
  write_json(model / "generation_config.json", {{"temperature", 0.5}});
  EXPECT_EQ(open_llama(model)->config().eos_tokens, Ids{2});
  write_json(model / "generation_config.json", {{"eos_token_id", {5, 6}}});
  EXPECT_EQ(open_llama(model)->config().eos_tokens, (Ids{5, 6}));
}

}  // namespace
}  // namespace tandem
