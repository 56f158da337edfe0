// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "core/rng.h"

namespace tandem::test {

inline at::Tensor random_tensor(at::IntArrayRef shape, Rng& rng,
                                at::ScalarType type = at::kDouble) {
  at::Tensor result = at::empty(shape, at::kDouble);
  for (int64_t i = 0; i < result.numel(); ++i) result.data_ptr<double>()[i] = rng.normal();
  return result.to(type);
}

// Largest |value - wanted| relative to the largest |wanted|.
inline double relative_difference(const at::Tensor& value, const at::Tensor& wanted) {
  const at::Tensor a = value.detach().to(at::kDouble), b = wanted.detach().to(at::kDouble);
  return ((a - b).abs().max() / b.abs().max()).item<double>();
}

// Each tensor within `limit` of its twin, relative to the largest |wanted| in it, or to a fiftieth
// of the largest in all: some gradients are zero but for rounding (a key's bias shifts all scores).
inline void expect_all_close(const std::vector<at::Tensor>& found,
                             const std::vector<at::Tensor>& wanted, double limit) {
  const auto largest = [](const at::Tensor& x) { return x.abs().max().item<double>(); };
  double all = 0;
  for (const at::Tensor& one : wanted) all = std::max(all, largest(one));
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    const double difference = largest(found[i].detach() - wanted[i].detach());
    EXPECT_LT(difference / std::max(largest(wanted[i]), all / 50), limit) << "tensor " << i;
  }
}

// Compares the gradient of sum(weights * f(x)) by x (double, contiguous) with central differences.
inline void expect_gradient(const std::function<at::Tensor()>& f, at::Tensor x, Rng& rng) {
  ASSERT_EQ(x.scalar_type(), at::kDouble);
  x.mutable_grad() = at::Tensor();
  x.set_requires_grad(true);
  const at::Tensor value = f();
  const at::Tensor weights = random_tensor(value.sizes(), rng);
  (value * weights).sum().backward();
  const at::Tensor found = x.grad().contiguous();
  at::NoGradGuard no_grad;
  constexpr double kStep = 1e-5;
  double* at = x.data_ptr<double>();
  for (int64_t i = 0; i < x.numel(); ++i) {
    const double before = at[i];
    at[i] = before + kStep;
    const double above = (f() * weights).sum().item<double>();
    at[i] = before - kStep;
    const double below = (f() * weights).sum().item<double>();
    at[i] = before;
    EXPECT_NEAR(found.data_ptr<double>()[i], (above - below) / (2 * kStep), 1e-7)
        << "element " << i;
  }
}

// Value and gradients, by every input, of sum(weights * f(inputs)), weights the same for a given
// shape.
inline std::vector<at::Tensor> value_and_gradients(
    const std::function<at::Tensor(const std::vector<at::Tensor>&)>& f,
    const std::vector<at::Tensor>& inputs, at::ScalarType type) {
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& input : inputs) {
    leaves.push_back(input.detach().to(type, /*non_blocking=*/false, /*copy=*/true));
    leaves.back().set_requires_grad(true);
  }
  const at::Tensor value = f(leaves);
  Rng rng(99);
  (value * random_tensor(value.sizes(), rng, type)).sum().backward();
  std::vector<at::Tensor> results{value.detach()};
  for (const at::Tensor& leaf : leaves) results.push_back(leaf.grad().clone());
  return results;
}

}  // namespace tandem::test
