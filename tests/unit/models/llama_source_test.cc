// SPDX-License-Identifier: Apache-2.0
#include "models/llama_source.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "models/llama_init.h"
#include "models/llama_merge.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

class LlamaFolders : public testing::Test {
 protected:
  void SetUp() override {
    LlamaConfig config = llama_preset("tiny");
    config.vocab_size = 101;
    config.num_layers = 2;
    write_random_llama(config, {.stddev = 0.2}, {base_, kModelFolder, true}, pool_);
  }

  const test::TemporaryFolder root_;
  const fs::path base_ = root_ / "base", out_ = root_ / "out";
  ThreadPool pool_{2};
};

TEST_F(LlamaFolders, FloatsKeepTheirTypeUnlessAnotherIsAsked) {
  const TensorSpec query = {"model.layers.0.self_attn.q_proj.weight", {64, 64}};
  for (const DType dtype : {DType::kF16, DType::kF32}) {
    export_llama(*open_llama(base_), {root_ / "typed", kModelFolder, true}, {.dtype = dtype},
                 pool_);
    export_llama(*open_llama(root_ / "typed"), {out_, kModelFolder, true}, {}, pool_);
    EXPECT_EQ(open_llama(out_)->tensor(query).type_name(), dtype_name(dtype));
  }
}

TEST_F(LlamaFolders, AnotherQuantisationIsRefused) {
  Json json = read_json(base_ / "config.json");
  json["quantization_config"] = {{"quant_method", "gptq"}, {"bits", 4}};
  write_json(base_ / "config.json", json);
  EXPECT_THROW(open_llama(base_), FormatError);
}

}  // namespace
}  // namespace tandem
