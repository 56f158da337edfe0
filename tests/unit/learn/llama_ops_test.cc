// SPDX-License-Identifier: Apache-2.0
// The ops of Llama: gradients by central differences in double, fast against slow twin in float32
// and bfloat16.
#include <ATen/ops/randint.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/rng.h"
#include "learn/ops/frozen_linear.h"
#include "learn/ops/head_cross_entropy.h"
#include "learn/ops/linear.h"
#include "learn/ops/lora_linear.h"
#include "learn/ops/products.h"
#include "learn/ops/rms_norm.h"
#include "learn/ops/rope.h"
#include "learn/ops/swiglu.h"
#include "unit/learn/op_gradient.h"

namespace tandem::learn {
namespace {

using test::expect_gradient;
using test::random_tensor;
using test::relative_difference;

// Sums of some hundred float32 products in another order; a bfloat16 has 8 bits.
constexpr double kFloat = 5e-6, kBfloat16 = 1.2e-2;

at::Tensor longs(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

// Value and gradients of f against those of `slow`, at copies of the inputs.
void expect_same(const std::function<at::Tensor(const std::vector<at::Tensor>&)>& f,
                 const std::function<at::Tensor(const std::vector<at::Tensor>&)>& slow,
                 const std::vector<at::Tensor>& inputs, Rng& rng, double limit) {
  std::vector<at::Tensor> fast_inputs, slow_inputs;
  for (const at::Tensor& input : inputs) {
    fast_inputs.push_back(input.detach().clone().set_requires_grad(true));
    slow_inputs.push_back(input.detach().to(at::kDouble).clone().set_requires_grad(true));
  }
  const at::Tensor value = f(fast_inputs), wanted = slow(slow_inputs);
  EXPECT_LT(relative_difference(value, wanted), limit);
  const at::Tensor weights = random_tensor(wanted.sizes(), rng);
  (value * weights.to(value.scalar_type())).sum().backward();
  (wanted * weights.to(value.scalar_type()).to(at::kDouble)).sum().backward();
  for (size_t i = 0; i < inputs.size(); ++i) {
    EXPECT_LT(relative_difference(fast_inputs[i].grad(), slow_inputs[i].grad()), limit)
        << "input " << i;
  }
}

TEST(Products, EqualAtenOverOddSizes) {
  Rng rng(1);
  for (const auto& [p, i, o] : {std::tuple<int64_t, int64_t, int64_t>{1, 3, 2},
                                {7, 33, 700},
                                {300, 17, 8},
                                {5, 600, 513}}) {
    const at::Tensor x = random_tensor({p, i}, rng, at::kFloat);
    const at::Tensor w = random_tensor({o, i}, rng, at::kFloat);
    const at::Tensor dy = random_tensor({p, o}, rng, at::kFloat);
    EXPECT_LT(
        relative_difference(product_nt(x, w), product_nt(x.to(at::kDouble), w.to(at::kDouble))),
        kFloat);
    EXPECT_LT(
        relative_difference(product_nn(dy, w), product_nn(dy.to(at::kDouble), w.to(at::kDouble))),
        kFloat);
    EXPECT_LT(
        relative_difference(product_tn(dy, x), product_tn(dy.to(at::kDouble), x.to(at::kDouble))),
        kFloat);
  }
  EXPECT_THROW(product_nt(random_tensor({2, 3}, rng), random_tensor({2, 4}, rng)), ShapeError);
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
                kFloat);
    expect_same([](const auto& in) { return rms_norm(in[0], in[1], 1e-5, at::kBFloat16); },
                [](const auto& in) { return rms_norm_reference(in[0], in[1], 1e-5); }, inputs, rng,
                2 * kBfloat16);
  }
}

TEST(Rotary, GradientIsRight) {
  Rng rng(4);
  at::Tensor x = random_tensor({4, 12}, rng);
  const Rope angles =
      make_rope(longs({0, 1, 5, 1000}), at::tensor({1.0, 0.3, 0.01}, at::kDouble), at::kDouble);
  expect_gradient([&] { return rotate(x, angles); }, x, rng);
}

TEST(Rotary, EqualsItsReferenceAndKeepsLengths) {
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
  expect_same(f, slow, {gate, up}, rng, kFloat);
  expect_same(f, slow, {gate / 40, up}, rng, kFloat);
  expect_same(f, slow, {gate.to(at::kBFloat16), up.to(at::kBFloat16)}, rng, kBfloat16);
}

TEST(LoraLinear, GradientIsRight) {
  Rng rng(11);
  at::Tensor base = random_tensor({5, 4}, rng), x = random_tensor({5, 6}, rng);
  at::Tensor a = random_tensor({2, 6}, rng), b = random_tensor({4, 2}, rng);
  const at::Tensor keep = at::randint(2, {5, 6}, at::kByte);
  for (const at::Tensor& mask : {at::Tensor(), keep}) {
    const auto f = [&] { return lora_linear(base, x, a, b, mask, 0.25, 1.5); };
    EXPECT_LT(relative_difference(f(), lora_linear_reference(base, x, a, b, mask, 0.25, 1.5)),
              1e-12);
    for (at::Tensor input : {base, x, a, b}) expect_gradient(f, input, rng);
  }
}

TEST(Linear, GradientInDoubleIsRight) {
  Rng rng(12);
  at::Tensor x = random_tensor({5, 6}, rng), weight = random_tensor({4, 6}, rng);
  at::Tensor bias = random_tensor({4}, rng);
  const auto f = [&] { return linear(x, weight, bias); };
  for (at::Tensor input : {x, weight, bias}) expect_gradient(f, input, rng);
}

TEST(FrozenLinear, EqualsLinearInEveryStorage) {
  Rng rng(13);
  const at::Tensor x = random_tensor({9, 40}, rng, at::kFloat);
  const at::Tensor bias = random_tensor({30}, rng, at::kFloat);
  for (const at::ScalarType storage : {at::kFloat, at::kHalf, at::kBFloat16}) {
    const at::Tensor stored = random_tensor({30, 40}, rng, at::kFloat).to(storage);
    const FrozenWeightPtr frozen = dense_weight(stored);
    expect_same([&](const auto& in) { return frozen_linear(in[0], frozen, in[1]); },
                [&](const auto& in) { return linear(in[0], stored.to(at::kDouble), in[1]); },
                {x, bias}, rng, kFloat);
  }
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
              {random_tensor({4, 512}, rng, at::kFloat)}, rng, kFloat);
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
      {random_tensor({4, 64}, rng, at::kFloat)}, rng, kFloat);
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
