// SPDX-License-Identifier: Apache-2.0
#include "learn/sasrec/sasrec.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <vector>

#include "core/error.h"

namespace tandem::learn {
namespace {

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

const TransformerConfig kTiny{
    .num_items = 20, .width = 8, .blocks = 2, .heads = 2, .inner = 2, .max_length = 6};

PackedBatch inputs(std::vector<int64_t> items, std::vector<int64_t> starts) {
  const at::Tensor ids = at::tensor(items, at::kLong);
  return {ids, ids.clone().zero_(), at::tensor(starts, at::kLong)};
}

TEST(SasRec, ABatchOfManyEqualsManyBatchesOfOne) {
  at::NoGradGuard no_grad;
  const SasRec model(kTiny, 3);
  const at::Tensor both = model.hidden(inputs({3, 4, 5, 0, 7, 8, 9, 10, 11}, {0, 3, 9}), nullptr);
  EXPECT_LT(distance(both.narrow(0, 0, 3), model.hidden(inputs({3, 4, 5}, {0, 3}), nullptr)), 1e-6);
  EXPECT_LT(
      distance(both.narrow(0, 3, 6), model.hidden(inputs({0, 7, 8, 9, 10, 11}, {0, 6}), nullptr)),
      1e-6);
}

TEST(SasRec, NoPositionSeesLaterItems) {
  at::NoGradGuard no_grad;
  const SasRec model(kTiny, 3);
  const at::Tensor a = model.hidden(inputs({0, 4, 5, 6}, {0, 4}), nullptr);
  const at::Tensor b = model.hidden(inputs({0, 4, 9, 10}, {0, 4}), nullptr);
  EXPECT_LT(distance(a.narrow(0, 0, 2), b.narrow(0, 0, 2)), 1e-7);
  EXPECT_GT(distance(a.narrow(0, 2, 2), b.narrow(0, 2, 2)), 1e-3);
}

TEST(SasRec, RejectsPaddingAfterAnItem) {
  const SasRec model(kTiny, 3);
  EXPECT_THROW(model.hidden(inputs({0, 4, 0, 6}, {0, 4}), nullptr), ShapeError);
}

TEST(SasRec, RejectsARowBeyondItsPositions) {
  const SasRec model(kTiny, 3);
  EXPECT_THROW(model.hidden(inputs({1, 2, 3, 4, 5, 6, 7}, {0, 7}), nullptr), ShapeError);
}

}  // namespace
}  // namespace tandem::learn
