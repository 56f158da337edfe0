// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/rope.h"

#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "core/error.h"
#include "core/rng.h"
#include "unit/learn/op_values.h"

namespace tandem::learn {
namespace {

using test::expect_gradient;
using test::expect_same;
using test::longs;
using test::random_tensor;
using test::relative_difference;

constexpr double kFloat = test::kFloatLimit, kBfloat16 = test::kBfloat16Limit;

TEST(Rope, GradientIsRight) {
  Rng rng(4);
  at::Tensor x = random_tensor({4, 12}, rng);
  const Rope angles =
      make_rope(longs({0, 1, 5, 1000}), at::tensor({1.0, 0.3, 0.01}, at::kDouble), at::kDouble);
  expect_gradient([&] { return rotate(x, angles); }, x, rng);
}

TEST(Rope, EqualsItsReferenceAndKeepsLengths) {
  Rng rng(5);
  const at::Tensor frequencies = at::tensor({1.0, 0.5, 0.25, 0.1}, at::kDouble);
  const at::Tensor positions = longs({0, 3, 4, 100, 5000});
  const at::Tensor x = random_tensor({5, 24}, rng, at::kFloat);
  const Rope angles = make_rope(positions, frequencies, at::kFloat);
  const Rope exact = make_rope(positions, frequencies, at::kDouble);
  expect_same([&](const auto& in) { return rotate(in[0], angles); },
              [&](const auto& in) { return rotate_reference(in[0], exact); }, {x}, rng, kFloat);
  expect_same([&](const auto& in) { return rotate(in[0], angles); },
              [&](const auto& in) { return rotate_reference(in[0], exact); }, {x.to(at::kBFloat16)},
              rng, kBfloat16);
  EXPECT_NEAR(rotate(x, angles).pow(2).sum().item<double>(), x.pow(2).sum().item<double>(), 1e-3);
}

TEST(Rope, TurnsTheHalvesOfAHeadByHand) {
  // Frequencies pi/2 and pi/6, position 1: (x0, x2) by 90 degrees, (x1, x3) by 30; two heads.
  const Rope angles =
      make_rope(longs({1}), at::tensor({std::numbers::pi / 2, std::numbers::pi / 6}, at::kDouble),
                at::kFloat);
  const double c = std::sqrt(3.0) / 2, s = 0.5;
  test::expect_values(rotate(test::matrix({1, 2, 3, 4, 0, 0, 1, 0}, 1), angles),
                      {-3, 2 * c - 4 * s, 1, 4 * c + 2 * s, -1, 0, 0, 0});
}

TEST(Rope, ASegmentOfAHeadTurnsAndTheRestStays) {
  Rng rng(16);
  at::Tensor x = random_tensor({4, 2 * 10}, rng);
  const Rope whole =
      make_rope(longs({0, 1, 5, 9}), at::tensor({1.0, 0.3}, at::kDouble), at::kDouble);
  const Rope part = whole.segment(10, 3);  // elements 3 to 7 of heads of 10
  const at::Tensor y = rotate(x, part);
  const at::Tensor heads = x.view({8, 10}), turned = y.view({8, 10});
  EXPECT_TRUE(turned.slice(1, 0, 3).equal(heads.slice(1, 0, 3)));
  EXPECT_TRUE(turned.slice(1, 7).equal(heads.slice(1, 7)));
  const at::Tensor cut = heads.slice(1, 3, 7).reshape({4, 8});
  EXPECT_TRUE(turned.slice(1, 3, 7).reshape({4, 8}).equal(rotate(cut, whole)));
  EXPECT_LT(relative_difference(y, rotate_reference(x, part)), 1e-12);
  expect_gradient([&] { return rotate(x, part); }, x, rng);
  EXPECT_THROW(rotate(x, whole.segment(10, 7)), ShapeError);
  EXPECT_THROW(rotate(x, whole.segment(9, 0)), ShapeError);
}

}  // namespace
}  // namespace tandem::learn
