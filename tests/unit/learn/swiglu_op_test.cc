// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/swiglu.h"

#include <gtest/gtest.h>

#include <cmath>

#include "unit/learn/op_values.h"

namespace tandem::learn {
namespace {

using test::expect_gradient;
using test::expect_same;
using test::expect_values;
using test::kBfloat16Limit;
using test::kFloatLimit;
using test::matrix;
using test::random_tensor;

TEST(Swiglu, ByHand) {
  const double at2 = 2 / (1 + std::exp(-2.0));
  expect_values(swiglu(matrix({2, -2}, 1), matrix({3, 5}, 1)), {3 * at2, 5 * (at2 - 2)});
}

TEST(Swiglu, GradientIsRight) {
  Rng rng(6);
  at::Tensor gate = random_tensor({3, 7}, rng) * 3, up = random_tensor({3, 7}, rng);
  const auto f = [&] { return swiglu(gate, up); };
  expect_gradient(f, gate, rng);
  expect_gradient(f, up, rng);
}

TEST(Swiglu, EqualsItsReferenceFarOut) {
  Rng rng(7);
  const at::Tensor gate = random_tensor({40, 33}, rng, at::kFloat) * 40;
  const at::Tensor up = random_tensor({40, 33}, rng, at::kFloat);
  const auto f = [](const auto& in) { return swiglu(in[0], in[1]); };
  const auto slow = [](const auto& in) { return swiglu_reference(in[0], in[1]); };
  expect_same(f, slow, {gate, up}, rng, kFloatLimit);
  expect_same(f, slow, {gate / 40, up}, rng, kFloatLimit);
  expect_same(f, slow, {gate.to(at::kBFloat16), up.to(at::kBFloat16)}, rng, kBfloat16Limit);
}

}  // namespace
}  // namespace tandem::learn
