// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/nce_loss.h"

#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "unit/learn/op_values.h"

namespace tandem::learn {
namespace {

using test::expect_all_close;
using test::expect_gradient;
using test::expect_values;
using test::longs;
using test::matrix;
using test::random_tensor;
using test::value_and_gradients;

at::Tensor scalar(double value, at::ScalarType type = at::kFloat) {
  return at::full({}, value, type);
}

TEST(NceLoss, ByHand) {
  // Cosines with the user: target .6, negatives 0, 1 and -1; s = 2. Lengths do not count.
  const NceLoss found = nce_loss({.users = matrix({2, 0}, 1),
                                  .targets = matrix({3, 4}, 1),
                                  .negatives = matrix({0, 5, 7, 0, -1, 0}, 3),
                                  .log_scale = scalar(std::log(2.0))});
  const double total = std::exp(1.2) + std::exp(0.0) + std::exp(2.0) + std::exp(-2.0);
  expect_values(found.loss.view({1}), {std::log(total) - 1.2});
  EXPECT_EQ(found.survivors, 4);
  EXPECT_EQ(found.ranks.item<int64_t>(), 2);
}

TEST(NceLoss, DropsWhatIsTheTargetItself) {
  // The first negative is near the target, the second has its id, the third stays.
  NceInput in{.users = matrix({1, 0}, 1),
              .targets = matrix({3, 4}, 1),
              .negatives = matrix({6, 8.01f, 0, 1, 0, -1}, 3),
              .log_scale = scalar(0),
              .target_ids = longs({7}),
              .negative_ids = longs({8, 7, 9})};
  const NceLoss found = nce_loss(in);
  EXPECT_EQ(found.survivors, 2);
  expect_values(found.loss.view({1}), {std::log(std::exp(0.6) + 1) - 0.6});
  in.negative_ids = longs({8, 9, 10});
  EXPECT_EQ(nce_loss(in).survivors, 3);
}

// A collapsed tower: everything is near everything.
TEST(NceLoss, NothingLeftCostsNothing) {
  at::Tensor vectors = matrix({1, 1, 1, 1}, 2).set_requires_grad(true);
  at::Tensor scale = scalar(4).set_requires_grad(true);
  const NceLoss found =
      nce_loss({.users = vectors, .targets = vectors, .negatives = vectors, .log_scale = scale});
  EXPECT_EQ(found.survivors, 1);
  EXPECT_EQ(found.loss.item<float>(), 0);
  found.loss.backward();
  EXPECT_EQ(scale.grad().item<float>(), 0);
  EXPECT_EQ(vectors.grad().abs().max().item<float>(), 0);
}

NceInput with_ids(const std::vector<at::Tensor>& in, double threshold) {
  NceInput input{.users = in[0],
                 .targets = in[1],
                 .negatives = in[2],
                 .log_scale = in[3],
                 .threshold = threshold};
  std::vector<int64_t> targets, negatives;
  const int64_t rows = in[0].size(0), count = in[2].numel() / in[0].size(1);
  for (int64_t q = 0; q < rows; ++q) targets.push_back(q % 5);
  for (int64_t j = 0; j < count; ++j) negatives.push_back(j % 17);
  input.target_ids = longs(targets);
  input.negative_ids = longs(negatives).view(in[2].sizes().slice(0, in[2].dim() - 1));
  return input;
}

class NceLossShapes : public testing::TestWithParam<std::vector<int64_t>> {};

TEST_P(NceLossShapes, EqualsTheReference) {
  Rng rng(5);
  const std::vector<int64_t> negatives = GetParam();
  const int64_t rows = negatives.size() == 3 ? negatives[0] : 70, width = negatives.back();
  const std::vector<at::Tensor> inputs{random_tensor({rows, width}, rng),
                                       random_tensor({rows, width}, rng),
                                       random_tensor(negatives, rng), scalar(1.5, at::kDouble)};
  const auto with = [](NceLoss (*loss)(const NceInput&), double threshold) {
    return [loss, threshold](const std::vector<at::Tensor>& in) {
      return loss(with_ids(in, threshold)).loss;
    };
  };
  for (const double threshold : {0.99, 0.3}) {
    expect_all_close(value_and_gradients(with(nce_loss, threshold), inputs, at::kFloat),
                     value_and_gradients(with(nce_loss_reference, threshold), inputs, at::kDouble),
                     1e-5);
    std::vector<at::Tensor> narrow;
    for (const at::Tensor& input : inputs) narrow.push_back(input.to(at::kFloat));
    const NceLoss found = nce_loss(with_ids(narrow, threshold)),
                  wanted = nce_loss_reference(with_ids(inputs, threshold));
    EXPECT_DOUBLE_EQ(found.survivors, wanted.survivors);
    EXPECT_TRUE(found.ranks.equal(wanted.ranks));
  }
}

// The second has more than one block of positions.
INSTANTIATE_TEST_SUITE_P(, NceLossShapes,
                         testing::Values(std::vector<int64_t>{33, 8},
                                         std::vector<int64_t>{70'000, 4},
                                         std::vector<int64_t>{6, 9, 8}));

TEST(NceLoss, GradientOfTheReferenceIsRight) {
  Rng rng(6);
  std::vector<at::Tensor> in{random_tensor({3, 4}, rng), random_tensor({3, 4}, rng),
                             random_tensor({5, 4}, rng), scalar(0.7, at::kDouble)};
  const auto loss = [&] { return nce_loss_reference(with_ids(in, 0.99)).loss; };
  for (const at::Tensor& input : in) expect_gradient(loss, input, rng);
}

TEST(NceLoss, SaysWhatDoesNotFit) {
  const NceInput good{.users = matrix({1, 0}, 1),
                      .targets = matrix({1, 0}, 1),
                      .negatives = matrix({0, 1}, 1),
                      .log_scale = scalar(0)};
  NceInput wrong = good;
  wrong.targets = matrix({1, 0, 2}, 1);
  EXPECT_THROW(nce_loss(wrong), ShapeError);
  wrong = good;
  wrong.negatives = matrix({1, 0, 2}, 1);
  EXPECT_THROW(nce_loss(wrong), ShapeError);
  wrong = good;
  wrong.target_ids = longs({1});
  EXPECT_THROW(nce_loss(wrong), ShapeError);
  wrong.negative_ids = longs({1, 2});
  EXPECT_THROW(nce_loss(wrong), ShapeError);
}

}  // namespace
}  // namespace tandem::learn
