// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/trained_linear.h"

#include <gtest/gtest.h>

#include "unit/learn/op_values.h"

namespace tandem::learn {
namespace {

using test::expect_gradient;
using test::random_tensor;

TEST(TrainedLinear, GradientIsRight) {
  Rng rng(12);
  at::Tensor x = random_tensor({5, 6}, rng), weight = random_tensor({4, 6}, rng);
  at::Tensor bias = random_tensor({4}, rng);
  const auto f = [&] { return trained_linear(x, weight, bias); };
  for (at::Tensor input : {x, weight, bias}) expect_gradient(f, input, rng);
}

}  // namespace
}  // namespace tandem::learn
