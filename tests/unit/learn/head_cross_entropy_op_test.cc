// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/head_cross_entropy.h"

#include <ATen/ops/randint.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "unit/learn/op_values.h"

namespace tandem::learn {
namespace {

using test::expect_gradient;
using test::expect_same;
using test::expect_values;
using test::kFloatLimit;
using test::longs;
using test::matrix;
using test::random_tensor;
using test::relative_difference;

TEST(HeadCrossEntropy, ByHand) {
  // Scores 0 and ln 3 (times the state): the mean of -log 1/4 and -log 3/4.
  const auto ln3 = static_cast<float>(std::log(3.0));
  const double mean = (std::log(4.0) + std::log(4.0 / 3)) / 2;
  expect_values(head_cross_entropy(matrix({1, 1}, 2), matrix({0, ln3}, 2), {}, longs({0, 1})),
                {mean});
}

TEST(HeadCrossEntropy, GradientIsRight) {
  Rng rng(14);
  at::Tensor hidden = random_tensor({3, 5}, rng), weight = random_tensor({7, 5}, rng);
  const at::Tensor labels = longs({6, 0, 3});
  const auto f = [&] { return head_cross_entropy(hidden, weight, {}, labels); };
  EXPECT_LT(relative_difference(f(), head_cross_entropy_reference(hidden, weight, labels)), 1e-12);
  expect_gradient(f, hidden, rng);
  expect_gradient(f, weight, rng);
}

TEST(HeadCrossEntropy, FrozenTilesEqualTheReference) {
  Rng rng(15);
  // More rows than one tile of 2^22 numbers holds.
  const at::Tensor weight = at::randint(-3, 4, {9000, 512}, at::kFloat) / 16;
  const FrozenWeightPtr frozen = dense_weight(weight.to(at::kBFloat16));
  const at::Tensor labels = longs({8999, 8200, 0, 4000});
  expect_same([&](const auto& in) { return head_cross_entropy(in[0], {}, frozen, labels); },
              [&](const auto& in) {
                return head_cross_entropy_reference(in[0], weight.to(at::kDouble), labels);
              },
              {random_tensor({4, 512}, rng, at::kFloat)}, rng, kFloatLimit);
}

// Soft targets at the first position, none at the second, one of weight 0 at the third.
HeadTargets soft_targets() {
  return {.starts = longs({0, 3, 3, 4, 6}),
          .tokens = longs({6, 0, 6, 2, 1, 5}),
          .weights = at::tensor({0.25, 0.5, 0.1, 0.0, 2.0, 0.125}, at::kDouble)};
}

TEST(HeadCrossEntropy, SoftTargetsGradientIsRight) {
  Rng rng(16);
  at::Tensor hidden = random_tensor({4, 5}, rng), weight = random_tensor({7, 5}, rng);
  const auto f = [&] { return head_soft_cross_entropy(hidden, weight, {}, soft_targets()); };
  EXPECT_LT(
      relative_difference(f(), head_soft_cross_entropy_reference(hidden, weight, soft_targets())),
      1e-12);
  expect_gradient(f, hidden, rng);
  expect_gradient(f, weight, rng);
}

TEST(HeadCrossEntropy, SoftTargetsEqualTheReferenceOnAFrozenHead) {
  Rng rng(17);
  const at::Tensor weight = at::randint(-3, 4, {7, 64}, at::kFloat) / 16;
  const FrozenWeightPtr frozen = dense_weight(weight.to(at::kBFloat16));
  expect_same(
      [&](const auto& in) { return head_soft_cross_entropy(in[0], {}, frozen, soft_targets()); },
      [&](const auto& in) {
        return head_soft_cross_entropy_reference(in[0], weight.to(at::kDouble), soft_targets());
      },
      {random_tensor({4, 64}, rng, at::kFloat)}, rng, kFloatLimit);
}

TEST(HeadCrossEntropy, RefusesBrokenTargets) {
  const at::Tensor hidden = at::tensor({1.0f, 2.0f}).view({2, 1}), weight = hidden;
  const auto loss = [&](const std::vector<int64_t>& starts, int64_t token, double share) {
    head_soft_cross_entropy(hidden, weight, {},
                            {.starts = longs(starts),
                             .tokens = longs({token}),
                             .weights = at::tensor({share}, at::kDouble)});
  };
  loss({0, 1, 1}, 1, 0.5);
  EXPECT_THROW(loss({0, 1, 1}, 2, 0.5), DataError);
  EXPECT_THROW(loss({0, 1, 1}, 1, -0.5), DataError);
  EXPECT_THROW(loss({0, 1}, 1, 0.5), ShapeError);
  EXPECT_THROW(loss({0, 2, 1}, 1, 0.5), ShapeError);
}

TEST(HeadCrossEntropy, StaysFiniteForAHopelessLabel) {
  const at::Tensor hidden = at::tensor({1000.0f}).view({1, 1});
  const at::Tensor weight = at::tensor({1.0f, -1.0f}).view({2, 1});
  EXPECT_NEAR(head_cross_entropy(hidden, weight, {}, longs({1})).item<double>(), 2000, 1e-3);
  EXPECT_THROW(head_cross_entropy(hidden, weight, {}, longs({2})), DataError);
  EXPECT_THROW(head_cross_entropy(hidden, weight, {}, longs({-100})), DataError);
}

}  // namespace
}  // namespace tandem::learn
