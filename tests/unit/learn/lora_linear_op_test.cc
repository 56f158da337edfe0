// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/lora_linear.h"

#include <ATen/ops/randint.h>
#include <gtest/gtest.h>

#include "unit/learn/op_values.h"

namespace tandem::learn {
namespace {

using test::expect_gradient;
using test::expect_values;
using test::keep;
using test::matrix;
using test::random_tensor;
using test::relative_difference;

TEST(LoraLinear, ByHand) {
  // 1 + 1.5 * 5 * (3 * 2 / (1 - 0.5)) with the input kept, 1 without.
  expect_values(lora_linear(matrix({1, 1}, 2), matrix({2, 2}, 2), matrix({3}, 1), matrix({5}, 1),
                            keep({1, 0}), 0.5, 1.5),
                {91, 1});
  expect_values(
      lora_linear(matrix({1}, 1), matrix({2}, 1), matrix({3}, 1), matrix({5}, 1), {}, 0.5, 1.5),
      {46});
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

}  // namespace
}  // namespace tandem::learn
