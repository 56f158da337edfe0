// SPDX-License-Identifier: Apache-2.0
// What the retrievers run on other devices than the CPU, on the CPU.
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "learn/ops/kernels.h"
#include "learn/retriever/model_factory.h"
#include "unit/learn/op_gradient.h"

namespace tandem::learn {
namespace {

class ComposedRetriever : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Models, ComposedRetriever,
                         testing::Values("lrurec", "sasrec", "narm", "bert4rec", "hstu", "llmid"),
                         [](const auto& model) { return std::string(model.param); });

TEST_P(ComposedRetriever, AStepEqualsTheKernels) {
  RetrieverConfig config;
  config.model_type = GetParam();
  config.width = 16;
  config.inner = 4;
  config.max_length = 6;
  const PackedBatch batch{.items = at::tensor({3, 4, 5, 9, 1, 2, 3, 4, 5, 6}, at::kLong),
                          .labels = at::tensor({4, 5, 8, 1, 0, 3, 4, 5, 6, 7}, at::kLong),
                          .row_starts = at::tensor({0, 3, 4, 10}, at::kLong)};
  const DropoutRng dropout(1, 2);
  const auto step = [&] {
    const auto model = make_retriever(config, 20, "cpu");
    const at::Tensor loss = retriever_loss(*model, batch, &dropout);
    loss.backward();
    std::vector<at::Tensor> results{loss.detach().unsqueeze(0), model->hidden(batch, nullptr)};
    for (const NamedParameter& parameter : model->parameters()) {
      if (parameter.value.grad().defined()) results.push_back(parameter.value.grad());
    }
    return results;
  };
  const std::vector<at::Tensor> kernels = step();
  const ComposedOps composed_ops;
  test::expect_all_close(step(), kernels, 2e-5);
}

}  // namespace
}  // namespace tandem::learn
