// SPDX-License-Identifier: Apache-2.0
#include "learn/optim/adamw.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "core/error.h"

namespace tandem::learn {

AdamW::AdamW(std::vector<NamedParameter> parameters, AdamWOptions options,
             const std::function<bool(std::string_view)>& decayed)
    : parameters_(std::move(parameters)), options_(options) {
  at::NoGradGuard no_grad;
  int64_t total = 0;
  for (const NamedParameter& parameter : parameters_) {
    if (parameter.value.scalar_type() != at::kFloat || !parameter.value.is_contiguous()) {
      throw ShapeError("AdamW: parameter '{}' is not contiguous float32", parameter.name);
    }
    total += parameter.value.numel();
  }
  if (parameters_.empty()) throw ShapeError("AdamW: no parameters");
  const auto on_device = parameters_.front().value.options().requires_grad(false);
  gradients_ = at::zeros({total}, on_device);
  groups_[0].weight_decay = options_.weight_decay;
  int64_t at = 0;
  for (NamedParameter& parameter : parameters_) {
    const int64_t count = parameter.value.numel();
    at::Tensor gradient = gradients_.narrow(0, at, count).view(parameter.value.sizes());
    parameter.value.mutable_grad() = gradient;
    at += count;
    exp_avg_.push_back(at::zeros_like(gradient));
    exp_avg_sq_.push_back(at::zeros_like(gradient));
    Group& group = groups_[decayed(parameter.name) ? 0 : 1];
    group.values.push_back(parameter.value);
    group.gradients.push_back(gradient);
    group.exp_avg.push_back(exp_avg_.back());
    group.exp_avg_sq.push_back(exp_avg_sq_.back());
    group.steps.push_back(at::zeros({}, on_device));
  }
}

void AdamW::zero_gradients() { gradients_.zero_(); }

double AdamW::clip_gradients(double limit) {
  at::NoGradGuard no_grad;
  const double norm = at::linalg_vector_norm(gradients_).item<double>();
  const double factor = limit > 0 ? limit / (norm + 1e-6) : 1.0;
  if (factor < 1.0) gradients_.mul_(factor);
  return norm;
}

void AdamW::step(double lr) {
  at::NoGradGuard no_grad;
  ++steps_done_;
  for (Group& group : groups_) {
    if (group.values.empty()) continue;
    for (at::Tensor& step : group.steps) step.fill_(static_cast<double>(steps_done_));
    at::_fused_adamw_(group.values, group.gradients, group.exp_avg, group.exp_avg_sq, {},
                      group.steps, lr, options_.beta1, options_.beta2, group.weight_decay,
                      options_.eps, /*amsgrad=*/false, /*maximize=*/false);
  }
}

std::vector<NamedParameter> AdamW::state() const {
  std::vector<NamedParameter> state;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    state.push_back({"exp_avg." + parameters_[i].name, exp_avg_[i]});
    state.push_back({"exp_avg_sq." + parameters_[i].name, exp_avg_sq_[i]});
  }
  return state;
}

void AdamW::set_steps_done(int64_t steps) { steps_done_ = steps; }

}  // namespace tandem::learn
