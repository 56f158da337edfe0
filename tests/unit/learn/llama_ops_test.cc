// SPDX-License-Identifier: Apache-2.0
// Rotation and causal attention: gradients by central differences in double, fast against slow twin
// in float32 and bfloat16.
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/rng.h"
#include "learn/ops/causal_attention.h"
#include "learn/ops/rotary.h"
#include "unit/learn/op_values.h"

namespace tandem::learn {
namespace {

using test::expect_gradient;
using test::expect_same;
using test::longs;
using test::random_tensor;
using test::relative_difference;

constexpr double kFloat = test::kFloatLimit, kBfloat16 = test::kBfloat16Limit;

TEST(Rotary, GradientIsRight) {
  Rng rng(4);
  at::Tensor x = random_tensor({4, 12}, rng);
  const RotaryAngles angles =
      rotary_angles(longs({0, 1, 5, 1000}), at::tensor({1.0, 0.3, 0.01}, at::kDouble), at::kDouble);
  expect_gradient([&] { return rotary(x, angles); }, x, rng);
}

TEST(Rotary, EqualsItsReferenceAndKeepsLengths) {
  Rng rng(5);
  const at::Tensor frequencies = at::tensor({1.0, 0.5, 0.25, 0.1}, at::kDouble);
  const at::Tensor positions = longs({0, 3, 4, 100, 5000});
  const at::Tensor x = random_tensor({5, 24}, rng, at::kFloat);
  const RotaryAngles angles = rotary_angles(positions, frequencies, at::kFloat);
  const RotaryAngles exact = rotary_angles(positions, frequencies, at::kDouble);
  expect_same([&](const auto& in) { return rotary(in[0], angles); },
              [&](const auto& in) { return rotary_reference(in[0], exact); }, {x}, rng, kFloat);
  expect_same([&](const auto& in) { return rotary(in[0], angles); },
              [&](const auto& in) { return rotary_reference(in[0], exact); }, {x.to(at::kBFloat16)},
              rng, kBfloat16);
  EXPECT_NEAR(rotary(x, angles).pow(2).sum().item<double>(), x.pow(2).sum().item<double>(), 1e-3);
}

struct AttentionCase {
  AttentionShape shape;
  std::vector<int64_t> starts, wanted;  // wanted empty: all
};

const std::vector<AttentionCase> kAttentionCases = {
    {{2, 2, 4, 0}, {0, 1, 4, 9}, {}},  {{4, 2, 3, 0}, {0, 6, 7}, {0, 2, 5, 6}},
    {{4, 1, 4, 3}, {0, 8, 9, 11}, {}}, {{2, 1, 2, 2}, {0, 5, 11}, {4, 6, 10}},
    {{2, 1, 2, 0}, {0, 3, 6}, {1}},
};

TEST(CausalAttention, GradientIsRight) {
  Rng rng(8);
  for (const AttentionCase& example : kAttentionCases) {
    SCOPED_TRACE(example.starts.back());
    const AttentionShape& s = example.shape;
    const int64_t positions = example.starts.back();
    const int64_t queries =
        example.wanted.empty() ? positions : static_cast<int64_t>(example.wanted.size());
    at::Tensor q = random_tensor({queries, s.heads * s.head_dim}, rng);
    at::Tensor k = random_tensor({positions, s.kv_heads * s.head_dim}, rng);
    at::Tensor v = random_tensor({positions, s.kv_heads * s.head_dim}, rng);
    const at::Tensor wanted = example.wanted.empty() ? at::Tensor() : longs(example.wanted);
    const auto f = [&] { return causal_attention(s, q, k, v, longs(example.starts), wanted); };
    EXPECT_LT(relative_difference(
                  f(), causal_attention_reference(s, q, k, v, longs(example.starts), wanted)),
              1e-12);
    EXPECT_LT(relative_difference(
                  causal_attention_composed(s, q, k, v, longs(example.starts), wanted), f()),
              1e-12);
    expect_gradient(f, q, rng);
    expect_gradient(f, k, rng);
    expect_gradient(f, v, rng);
  }
}

TEST(CausalAttention, EqualsItsReferenceOverManyBlocks) {
  Rng rng(9);
  for (const AttentionCase& example : std::vector<AttentionCase>{
           {{4, 4, 8, 0}, {0, 300, 301, 450}, {}},
           {{8, 1, 16, 0}, {0, 130}, {}},
           {{6, 2, 8, 50}, {0, 333}, {}},
           {{8, 2, 8, 20}, {0, 200, 260}, {150, 199, 200, 259}},
       }) {
    const AttentionShape& s = example.shape;
    const int64_t positions = example.starts.back();
    const int64_t queries =
        example.wanted.empty() ? positions : static_cast<int64_t>(example.wanted.size());
    const std::vector<at::Tensor> inputs{
        random_tensor({queries, s.heads * s.head_dim}, rng, at::kFloat),
        random_tensor({positions, s.kv_heads * s.head_dim}, rng, at::kFloat),
        random_tensor({positions, s.kv_heads * s.head_dim}, rng, at::kFloat)};
    const at::Tensor wanted = example.wanted.empty() ? at::Tensor() : longs(example.wanted);
    const auto f = [&](const auto& in) {
      return causal_attention(s, in[0], in[1], in[2], longs(example.starts), wanted);
    };
    const auto slow = [&](const auto& in) {
      return causal_attention_reference(s, in[0], in[1], in[2], longs(example.starts), wanted);
    };
    expect_same(f, slow, inputs, rng, kFloat);
    std::vector<at::Tensor> halves;
    for (const at::Tensor& input : inputs) halves.push_back(input.to(at::kBFloat16));
    expect_same(f, slow, halves, rng, kBfloat16);
    const auto composed = [&](const auto& in) {
      return causal_attention_composed(s, in[0], in[1], in[2], longs(example.starts), wanted);
    };
    expect_same(composed, slow, inputs, rng, kFloat);
    expect_same(composed, slow, halves, rng, kBfloat16);
  }
}

TEST(CausalAttention, RefusesWhatDoesNotFit) {
  Rng rng(10);
  const at::Tensor q = random_tensor({3, 8}, rng), k = random_tensor({3, 4}, rng);
  const AttentionShape shape{2, 1, 4, 0};
  EXPECT_NO_THROW(causal_attention(shape, q, k, k, longs({0, 3})));
  EXPECT_THROW(causal_attention(shape, q, k, k, longs({0, 2})), ShapeError);
  EXPECT_THROW(causal_attention(shape, q, k, k, longs({0, 5, 3})), ShapeError);
  EXPECT_THROW(causal_attention(shape, q, q, q, longs({0, 3})), ShapeError);
  EXPECT_THROW(causal_attention(shape, q, k, k, longs({0, 3}), longs({0, 2, 2})), ShapeError);
  EXPECT_THROW(causal_attention(shape, q, k, k, longs({0, 3}), longs({0, 1, 3})), ShapeError);
}

}  // namespace
}  // namespace tandem::learn
