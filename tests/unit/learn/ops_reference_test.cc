// SPDX-License-Identifier: Apache-2.0
// Ops and optimiser by numbers worked out on paper: what a fast op and its slow twin could have
// wrong together.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "learn/ops/additive_attention.h"
#include "learn/ops/attention.h"
#include "learn/ops/dropout.h"
#include "learn/ops/gelu_dropout.h"
#include "learn/ops/head_cross_entropy.h"
#include "learn/ops/linear_cross_entropy.h"
#include "learn/ops/lora_linear.h"
#include "learn/ops/residual_layer_norm.h"
#include "learn/ops/rms_norm.h"
#include "learn/ops/rope.h"
#include "learn/ops/swiglu.h"
#include "learn/optim/adamw.h"
#include "learn/optim/schedule.h"

namespace tandem::learn {
namespace {

at::Tensor matrix(std::vector<float> values, int64_t rows) {
  return at::tensor(values).view({rows, -1});
}
at::Tensor keep(std::vector<int64_t> values) { return at::tensor(values, at::kByte); }
at::Tensor starts(std::vector<int64_t> values) { return at::tensor(values, at::kLong); }

void expect_values(const at::Tensor& found, const std::vector<double>& wanted) {
  const at::Tensor flat = found.detach().to(at::kDouble).contiguous();
  ASSERT_EQ(flat.numel(), std::ssize(wanted));
  for (size_t i = 0; i < wanted.size(); ++i)
    EXPECT_NEAR(flat.const_data_ptr<double>()[i], wanted[i], 2e-6) << i;
}

TEST(OpsByHand, Dropout) {
  // What is kept is divided by 1 - p.
  expect_values(dropout(matrix({3, 6, -9}, 1), keep({1, 0, 1}), 0.25), {4, 0, -12});
}

TEST(OpsByHand, GeluIsTheExactOne) {
  // x Phi(x); the tanh form gives 0.8411920 at 1.
  expect_values(gelu_dropout(matrix({1, -1, 2, 0}, 1), {}, 0),
                {0.8413447461, -0.1586552539, 1.9544997361, 0});
  expect_values(gelu_dropout(matrix({1, 1}, 1), keep({1, 0}), 0.5), {2 * 0.8413447461, 0});
}

TEST(OpsByHand, LayerNorm) {
  // Mean 2, variance 1: eps 3 makes the root 2. Weight and bias per column.
  expect_values(residual_layer_norm(matrix({1, 3}, 1), {}, {}, 0, at::tensor({2.0f, 4.0f}),
                                    at::tensor({10.0f, 20.0f}), 3),
                {9, 22});
  // The mask is on x alone: 4 * 2 + 1 = 9 and 0 + 5, mean 7, deviation 2.
  expect_values(
      residual_layer_norm(matrix({4, 100}, 1), matrix({1, 5}, 1), keep({1, 0}).view({1, 2}), 0.5,
                          at::tensor({1.0f, 1.0f}), at::tensor({0.0f, 0.0f}), 0),
      {1, -1});
}

TEST(OpsByHand, RmsNorm) {
  // Mean square 12.5, eps 3.5: the root is 4. Each group of two columns by itself.
  expect_values(rms_norm(matrix({3, 4, -3, 4}, 1), at::tensor({1.0f, 2.0f}), 3.5, at::kFloat),
                {0.75, 2, -0.75, 2});
}

TEST(OpsByHand, RotaryTurnsTheHalvesOfAHead) {
  // Frequencies pi/2 and pi/6, position 1: (x0, x2) by 90 degrees, (x1, x3) by 30; two heads.
  const Rope angles =
      make_rope(starts({1}), at::tensor({std::numbers::pi / 2, std::numbers::pi / 6}, at::kDouble),
                at::kFloat);
  const double c = std::sqrt(3.0) / 2, s = 0.5;
  expect_values(rotate(matrix({1, 2, 3, 4, 0, 0, 1, 0}, 1), angles),
                {-3, 2 * c - 4 * s, 1, 4 * c + 2 * s, -1, 0, 0, 0});
}

TEST(OpsByHand, Swiglu) {
  const double at2 = 2 / (1 + std::exp(-2.0));
  expect_values(swiglu(matrix({2, -2}, 1), matrix({3, 5}, 1)), {3 * at2, 5 * (at2 - 2)});
}

TEST(OpsByHand, LoraLinear) {
  // 1 + 1.5 * 5 * (3 * 2 / (1 - 0.5)) with the input kept, 1 without.
  expect_values(lora_linear(matrix({1, 1}, 2), matrix({2, 2}, 2), matrix({3}, 1), matrix({5}, 1),
                            keep({1, 0}), 0.5, 1.5),
                {91, 1});
  expect_values(
      lora_linear(matrix({1}, 1), matrix({2}, 1), matrix({3}, 1), matrix({5}, 1), {}, 0.5, 1.5),
      {46});
}

// Two positions, one head of width 4: scores are q . k / 2. The first key weighs 1 to e^(2 ln 3 /
// 2).
TEST(OpsByHand, AttentionsDivideByTheRootOfTheWidth) {
  const auto ln3 = static_cast<float>(std::log(3.0));
  const at::Tensor q = matrix({1, 0, 0, 0, 2, 0, 0, 0}, 2),
                   k = matrix({0, 9, 0, 0, ln3, 9, 0, 0}, 2);
  const at::Tensor v = matrix({4, 0, 0, 0, 8, 0, 0, 1}, 2);
  expect_values(attention({1, 1, 4}, q, k, v, causal_ranges(starts({0, 2}))),
                {4, 0, 0, 0, 7, 0, 0, 0.75});
  // A window of one sees itself.
  expect_values(attention({1, 1, 4}, q, k, v, causal_ranges(starts({0, 2}), {}, 1)),
                {4, 0, 0, 0, 8, 0, 0, 1});
  // Both see both; the first position's weights are 1 to sqrt(3).
  const double share = std::sqrt(3.0) / (1 + std::sqrt(3.0));
  expect_values(attention({1, 1, 4}, q, k, v, row_ranges(starts({0, 2}))),
                {4 + 4 * share, 0, 0, share, 7, 0, 0, 0.75});
  // The probability of the second key kept, divided by 1 - p; the mask has the row's longest length
  // in columns for each head.
  expect_values(attention({1, 1, 4}, q, k, v, row_ranges(starts({0, 2})),
                          {.keep = keep({1, 1, 0, 1}).view({2, 2}), .p = 0.5}),
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

TEST(OpsByHand, CrossEntropiesAreMeansOverLabels) {
  // Scores 0 and ln 3 (times the state): -log 1/4 and -log 3/4.
  const auto ln3 = static_cast<float>(std::log(3.0));
  const at::Tensor hidden = matrix({1, 1}, 2), table = matrix({0, ln3}, 2);
  const double mean = (std::log(4.0) + std::log(4.0 / 3)) / 2;
  expect_values(head_cross_entropy(hidden, table, {}, starts({0, 1})), {mean});
  // Item 0 is padding: a position without a label costs nothing and does not count.
  expect_values(linear_cross_entropy(matrix({1, 1, 1}, 3), table, at::tensor({0.0f, 0.0f}),
                                     starts({1, 0, 1})),
                {std::log(4.0 / 3)});
  // The bias is added to the scores: ln 3 + ln 3 against 0, 9 to 1.
  expect_values(linear_cross_entropy(matrix({1}, 1), table, at::tensor({0.0f, ln3}), starts({1})),
                {std::log(10.0 / 9)});
}

// Four steps of changing rate against the paper's formulas in double; eps is large, so its place
// shows.
TEST(AdamWByHand, FollowsThePaperStepByStep) {
  const std::vector<NamedParameter> parameters{{"weight", at::tensor({2.0f, -1.0f})},
                                               {"bias", at::tensor({0.5f})}};
  for (const NamedParameter& parameter : parameters) parameter.value.set_requires_grad(true);
  const AdamWOptions options{.beta1 = 0.8, .beta2 = 0.95, .eps = 0.3, .weight_decay = 0.2};
  AdamW optimizer(parameters, options, [](std::string_view name) { return name != "bias"; });
  double p[] = {2, -1, 0.5}, m[3] = {}, v[3] = {};
  const double gradients[][3] = {{3, -4, 1}, {-1, 0.5, 2}, {0, 7, -0.25}, {2, 2, 2}};
  const double rates[] = {0.1, 0.3, 0, 0.2};
  for (int step = 0; step < 4; ++step) {
    const double* g = gradients[step];
    optimizer.zero_gradients();
    {
      at::NoGradGuard no_grad;
      for (int i = 0; i < 3; ++i) optimizer.gradients()[i].fill_(g[i]);
    }
    optimizer.step(rates[step]);
    for (int i = 0; i < 3; ++i) {
      if (i < 2) p[i] -= rates[step] * 0.2 * p[i];
      m[i] = 0.8 * m[i] + 0.2 * g[i];
      v[i] = 0.95 * v[i] + 0.05 * g[i] * g[i];
      const double m_hat = m[i] / (1 - std::pow(0.8, step + 1));
      const double v_hat = v[i] / (1 - std::pow(0.95, step + 1));
      p[i] -= rates[step] * m_hat / (std::sqrt(v_hat) + 0.3);
    }
    expect_values(parameters[0].value, {p[0], p[1]});
    expect_values(parameters[1].value, {p[2]});
  }
  EXPECT_EQ(optimizer.steps_done(), 4);
  const std::vector<NamedParameter> state = optimizer.state();
  ASSERT_EQ(state.size(), 4u);
  EXPECT_EQ(state[0].name, "exp_avg.weight");
  EXPECT_EQ(state[3].name, "exp_avg_sq.bias");
  expect_values(state[0].value, {m[0], m[1]});
  expect_values(state[1].value, {v[0], v[1]});
  expect_values(state[3].value, {v[2]});

  // A step that is told how many came before corrects for them.
  AdamW later(parameters, options, [](std::string_view) { return false; });
  later.set_steps_done(9);
  {
    at::NoGradGuard no_grad;
    later.gradients().fill_(1);
    for (const NamedParameter& parameter : parameters) parameter.value.detach().fill_(0);
  }
  later.step(0.1);
  const double m_hat = 0.2 / (1 - std::pow(0.8, 10)), v_hat = 0.05 / (1 - std::pow(0.95, 10));
  expect_values(parameters[1].value, {-0.1 * m_hat / (std::sqrt(v_hat) + 0.3)});
}

TEST(ScheduleByHand, FirstAndLastSteps) {
  const Schedule linear{ScheduleKind::kLinear, 4, 12}, cosine{ScheduleKind::kCosine, 3, 11},
      constant{ScheduleKind::kConstant, 4, 12}, cold{ScheduleKind::kLinear, 0, 10};
  EXPECT_EQ(linear.factor(1), 0.25);
  EXPECT_EQ(linear.factor(3), 0.75);
  EXPECT_EQ(linear.factor(5), 0.875);
  EXPECT_EQ(linear.factor(11), 0.125);
  EXPECT_EQ(linear.factor(13), 0);
  EXPECT_EQ(constant.factor(0), 0);
  EXPECT_EQ(constant.factor(4), 1);
  EXPECT_EQ(constant.factor(11), 1);
  EXPECT_EQ(cold.factor(0), 1);
  EXPECT_NEAR(cold.factor(9), 0.1, 1e-12);
  EXPECT_NEAR(cosine.factor(2), 2.0 / 3, 1e-12);
  EXPECT_EQ(cosine.factor(3), 1);
  EXPECT_NEAR(cosine.factor(5), (1 + std::sqrt(0.5)) / 2, 1e-12);  // a quarter of the way
  EXPECT_NEAR(cosine.factor(9), (1 - std::sqrt(0.5)) / 2, 1e-12);
  EXPECT_NEAR(cosine.factor(11), 0, 1e-12);
  EXPECT_EQ(parse_schedule("linear"), ScheduleKind::kLinear);
  EXPECT_EQ(parse_schedule("cosine"), ScheduleKind::kCosine);
  EXPECT_EQ(parse_schedule("constant"), ScheduleKind::kConstant);
}

}  // namespace
}  // namespace tandem::learn
