// SPDX-License-Identifier: Apache-2.0
// examples/*.yaml of the training verbs state the defaults. That they list every key, and that the
// verbs take them, is in tests/e2e/examples_test.sh.
#include <gtest/gtest.h>

#include "learn/hllm/hllm_options.h"
#include "learn/pretrain/pretrain_config.h"
#include "learn/ranker/ranker_config.h"
#include "learn/retriever/retriever_config.h"

namespace tandem::learn {
namespace {

template <typename Config>
void expect_defaults(const char* file) {
  SCOPED_TRACE(file);
  Config config;
  ConfigSchema schema = config.schema();
  const std::string defaults = schema.to_yaml();
  schema.load_yaml(file);
  EXPECT_EQ(schema.to_yaml(), defaults);
}

TEST(ExampleFiles, HaveTheDefaults) {
  expect_defaults<RetrieverConfig>("examples/retriever.yaml");
  expect_defaults<RankerConfig>("examples/ranker.yaml");
  expect_defaults<PretrainConfig>("examples/pretrain.yaml");
  expect_defaults<HllmOptions>("examples/hllm-training.yaml");
}

}  // namespace
}  // namespace tandem::learn
