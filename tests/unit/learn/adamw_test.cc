// SPDX-License-Identifier: Apache-2.0
#include "learn/optim/adamw.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string_view>
#include <vector>

#include "unit/learn/op_values.h"

namespace tandem::learn {
namespace {

using test::expect_values;

std::vector<NamedParameter> two_parameters() {
  std::vector<NamedParameter> parameters{{"weight", at::tensor({2.0f, -1.0f})},
                                         {"bias", at::tensor({0.5f})}};
  for (const NamedParameter& parameter : parameters) parameter.value.set_requires_grad(true);
  return parameters;
}

bool not_bias(std::string_view name) { return name != "bias"; }

// In the first step m_hat / sqrt(v_hat) is the gradient's sign.
TEST(AdamW, FirstStepMovesByTheRateAndDecaysByName) {
  AdamW optimizer(two_parameters(), {.eps = 0, .weight_decay = 0.5}, not_bias);
  optimizer.parameters()[0].value.mutable_grad().copy_(at::tensor({3.0f, -4.0f}));
  optimizer.parameters()[1].value.mutable_grad().copy_(at::tensor({1.0f}));
  optimizer.step(0.1);
  const at::Tensor weight = optimizer.parameters()[0].value;
  EXPECT_NEAR(weight[0].item<double>(), 2.0 * 0.95 - 0.1, 1e-6);
  EXPECT_NEAR(weight[1].item<double>(), -1.0 * 0.95 + 0.1, 1e-6);
  EXPECT_NEAR(optimizer.parameters()[1].value[0].item<double>(), 0.4, 1e-6);
}

TEST(AdamW, ClippingScalesTheNormOverAllParameters) {
  AdamW optimizer(two_parameters(), {}, not_bias);
  optimizer.parameters()[0].value.mutable_grad().copy_(at::tensor({2.0f, -1.0f}));
  optimizer.parameters()[1].value.mutable_grad().copy_(at::tensor({2.0f}));
  EXPECT_NEAR(optimizer.clip_gradients(5), 3, 1e-6);
  EXPECT_EQ(optimizer.gradients()[0].item<double>(), 2.0);
  EXPECT_NEAR(optimizer.clip_gradients(1.5), 3, 1e-6);
  EXPECT_NEAR(optimizer.gradients()[0].item<double>(), 1.0, 1e-6);
  EXPECT_NEAR(optimizer.parameters()[1].value.grad()[0].item<double>(), 1.0, 1e-6);
}

// Four steps of changing rate against the paper's formulas in double; eps is large, so its place
// shows.
TEST(AdamW, FollowsThePaperStepByStep) {
  const std::vector<NamedParameter> parameters = two_parameters();
  const AdamWOptions options{.beta1 = 0.8, .beta2 = 0.95, .eps = 0.3, .weight_decay = 0.2};
  AdamW optimizer(parameters, options, not_bias);
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

}  // namespace
}  // namespace tandem::learn
