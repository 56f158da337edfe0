// SPDX-License-Identifier: Apache-2.0
// Rotation and attentions by numbers worked out on paper: what a fast op and its slow twin could
// have wrong together.
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "learn/ops/additive_attention.h"
#include "learn/ops/causal_attention.h"
#include "learn/ops/full_attention.h"
#include "learn/ops/rotary.h"
#include "unit/learn/op_values.h"

namespace tandem::learn {
namespace {

using test::expect_values;
using test::keep;
using test::matrix;

at::Tensor starts(const std::vector<int64_t>& values) { return test::longs(values); }

TEST(OpsByHand, RotaryTurnsTheHalvesOfAHead) {
  // Frequencies pi/2 and pi/6, position 1: (x0, x2) by 90 degrees, (x1, x3) by 30; two heads.
  const RotaryAngles angles = rotary_angles(
      starts({1}), at::tensor({std::numbers::pi / 2, std::numbers::pi / 6}, at::kDouble),
      at::kFloat);
  const double c = std::sqrt(3.0) / 2, s = 0.5;
  expect_values(rotary(matrix({1, 2, 3, 4, 0, 0, 1, 0}, 1), angles),
                {-3, 2 * c - 4 * s, 1, 4 * c + 2 * s, -1, 0, 0, 0});
}

// Two positions, one head of width 4: scores are q . k / 2. The first key weighs 1 to e^(2 ln 3 /
// 2).
TEST(OpsByHand, AttentionsDivideByTheRootOfTheWidth) {
  const auto ln3 = static_cast<float>(std::log(3.0));
  const at::Tensor q = matrix({1, 0, 0, 0, 2, 0, 0, 0}, 2),
                   k = matrix({0, 9, 0, 0, ln3, 9, 0, 0}, 2);
  const at::Tensor v = matrix({4, 0, 0, 0, 8, 0, 0, 1}, 2);
  expect_values(causal_attention({1, 1, 4, 0}, q, k, v, starts({0, 2})),
                {4, 0, 0, 0, 7, 0, 0, 0.75});
  // A window of one sees itself.
  expect_values(causal_attention({1, 1, 4, 1}, q, k, v, starts({0, 2})), {4, 0, 0, 0, 8, 0, 0, 1});
  // Both see both; the first position's weights are 1 to sqrt(3).
  const double share = std::sqrt(3.0) / (1 + std::sqrt(3.0));
  expect_values(full_attention(1, q, k, v, starts({0, 2})),
                {4 + 4 * share, 0, 0, share, 7, 0, 0, 0.75});
  // The probability of the second key kept, divided by 1 - p; the mask has the row's longest length
  // in columns for each head.
  expect_values(full_attention(1, q, k, v, starts({0, 2}), keep({1, 1, 0, 1}).view({2, 2}), 0.5),
                {2 * (4 + 4 * share), 0, 0, 2 * share, 12, 0, 0, 1.5});
}

TEST(OpsByHand, AdditiveAttentionIsCausalWithAHardSigmoid) {
  // v = ln 3 * 2. Scores of the second position: query 3 + keys 0 and -3: 2 ln 3 * (1, 1/2), the
  // first weighs 9 and the second 3.
  const auto v = static_cast<float>(2 * std::log(3.0));
  expect_values(additive_attention(matrix({0, 3}, 2), matrix({0, -3}, 2), matrix({4, 8}, 2),
                                   at::tensor({v}), starts({0, 2})),
                {4, 5});
  // Beyond 3 it is 1, below -3 it is 0: weights 9 and 1.
  expect_values(additive_attention(matrix({0, 0}, 2), matrix({7, -7}, 2), matrix({10, 0}, 2),
                                   at::tensor({v}), starts({0, 2})),
                {10, 9});
}

}  // namespace
}  // namespace tandem::learn
