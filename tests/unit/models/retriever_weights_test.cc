// SPDX-License-Identifier: Apache-2.0
#include "models/retriever_weights.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "support/random_retriever.h"

namespace tandem {
namespace {

using test::random_weights;
using test::small_retriever;

TEST(RetrieverWeights, RenumberingNamesAnItemThatTheModelDoesNotHave) {
  const RetrieverWeights weights = random_weights(small_retriever("lrurec"), 1);
  EXPECT_THROW(weights.renumbered(std::vector<int32_t>{1, 51}), ShapeError);
  EXPECT_THROW(weights.renumbered(std::vector<int32_t>{-1}), ShapeError);
  EXPECT_TRUE(weights.renumbered(std::vector<int32_t>{3, 2}).known().empty());
}

// What a broken run folder says.
std::string error_of(const fs::path& path) {
  try {
    RetrieverWeights::open(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(RetrieverWeights, NamesWhatDoesNotFit) {
  const test::TemporaryFolder folder;
  EXPECT_NE(error_of(folder.path() / "absent").find("no such run folder"), std::string::npos);
  EXPECT_NE(error_of(folder.path()).find("config.json"), std::string::npos);

  RetrieverModelConfig config = small_retriever("lrurec");
  test::write_random_run(folder.path(), config, 1);
  EXPECT_EQ(error_of(folder.path()), "no error");
  config.num_items = 49;
  write_json(folder.path() / kRetrieverConfigFile, config.to_json());
  EXPECT_NE(error_of(folder.path())
                .find("tensor 'embedding.token.weight' has the shape [51, 12], expected [50, 12]"),
            std::string::npos);
  config.num_items = 50;
  config.blocks = 3;
  write_json(folder.path() / kRetrieverConfigFile, config.to_json());
  EXPECT_NE(error_of(folder.path()).find("'model.lru_blocks.2.lru_layer.params_log' is missing"),
            std::string::npos);
  write_json(folder.path() / kRetrieverConfigFile, Json{{"model_type", "gru"}});
  EXPECT_NE(error_of(folder.path()).find("num_items"), std::string::npos);
}

TEST(RetrieverWeights, BareCheckpointsExplainThemselves) {
  for (const char* type : {"lrurec", "sasrec", "narm", "bert4rec", "hstu", "llmid"}) {
    const test::TemporaryFolder folder;
    test::write_random_run(folder.path(), small_retriever(type), 1);
    fs::remove(folder.path() / kRetrieverConfigFile);
    const RetrieverWeights weights = RetrieverWeights::open(folder.path() / kRetrieverWeightsFile,
                                                            {.heads = 3, .max_length = 10});
    EXPECT_EQ(weights.config().to_json(), small_retriever(type).to_json());
  }
}

}  // namespace
}  // namespace tandem
