// SPDX-License-Identifier: Apache-2.0
// Tensors written out, and what an op makes of them against what it should.
#pragma once

#include <ATen/ops/tensor.h>

#include "unit/learn/op_gradient.h"

namespace tandem::test {

// Limits of an op against its twin in double, relative to the largest element: sums of some hundred
// float32 products in another order; a bfloat16 has 8 bits.
inline constexpr double kFloatLimit = 5e-6, kBfloat16Limit = 1.2e-2;

inline at::Tensor matrix(const std::vector<float>& values, int64_t rows) {
  return at::tensor(values).view({rows, -1});
}
inline at::Tensor keep(const std::vector<int64_t>& values) { return at::tensor(values, at::kByte); }
inline at::Tensor longs(const std::vector<int64_t>& values) {
  return at::tensor(values, at::kLong);
}

// Numbers worked out on paper: they show what a fast op and its slow twin could have wrong
// together.
inline void expect_values(const at::Tensor& found, const std::vector<double>& wanted) {
  const at::Tensor flat = found.detach().to(at::kDouble).contiguous();
  ASSERT_EQ(flat.numel(), std::ssize(wanted));
  for (size_t i = 0; i < wanted.size(); ++i)
    EXPECT_NEAR(flat.const_data_ptr<double>()[i], wanted[i], 2e-6) << i;
}

// Value and gradients of f against those of `slow`, at copies of the inputs.
inline void expect_same(const std::function<at::Tensor(const std::vector<at::Tensor>&)>& f,
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

}  // namespace tandem::test
