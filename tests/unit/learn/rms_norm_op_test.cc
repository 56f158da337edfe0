// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/rms_norm.h"

#include <gtest/gtest.h>

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

TEST(RmsNorm, ByHand) {
  // Mean square 12.5, eps 3.5: the root is 4. Each group of two columns by itself.
  expect_values(rms_norm(matrix({3, 4, -3, 4}, 1), at::tensor({1.0f, 2.0f}), 3.5, at::kFloat),
                {0.75, 2, -0.75, 2});
}

TEST(RmsNorm, GradientIsRight) {
  Rng rng(2);
  at::Tensor x = random_tensor({5, 12}, rng), weight = random_tensor({6}, rng);
  const auto f = [&] { return rms_norm(x, weight, 1e-5, at::kDouble); };
  expect_gradient(f, x, rng);
  expect_gradient(f, weight, rng);
}

TEST(RmsNorm, EqualsItsReference) {
  Rng rng(3);
  for (const auto& [rows, groups, width] :
       {std::tuple<int64_t, int64_t, int64_t>{1, 1, 3}, {3, 2, 5}, {40, 1, 67}, {17, 4, 16}}) {
    const std::vector<at::Tensor> inputs{random_tensor({rows, groups * width}, rng, at::kFloat),
                                         random_tensor({width}, rng, at::kFloat)};
    expect_same([](const auto& in) { return rms_norm(in[0], in[1], 1e-5, at::kFloat); },
                [](const auto& in) { return rms_norm_reference(in[0], in[1], 1e-5); }, inputs, rng,
                kFloatLimit);
    expect_same([](const auto& in) { return rms_norm(in[0], in[1], 1e-5, at::kBFloat16); },
                [](const auto& in) { return rms_norm_reference(in[0], in[1], 1e-5); }, inputs, rng,
                2 * kBfloat16Limit);
  }
}

}  // namespace
}  // namespace tandem::learn
