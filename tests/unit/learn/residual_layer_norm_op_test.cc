// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/residual_layer_norm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>

#include <array>

#include "core/error.h"
#include "learn/model.h"
#include "unit/learn/op_values.h"

namespace tandem::learn {
namespace {

using test::random_tensor;

// Output and the gradients of x, residual, weight and bias.
template <typename Function>
std::array<at::Tensor, 5> run(const Function& function, std::array<at::Tensor, 4> inputs,
                              const at::Tensor& keep, double p, const at::Tensor& dy) {
  for (at::Tensor& input : inputs) {
    if (input.defined()) input = input.to(dy.scalar_type()).clone().set_requires_grad(true);
  }
  const at::Tensor y = function(inputs[0], inputs[1], keep, p, inputs[2], inputs[3], 1e-5);
  y.backward(dy);
  std::array<at::Tensor, 5> result{y.detach()};
  for (size_t i = 0; i < 4; ++i) {
    if (inputs[i].defined()) result[i + 1] = inputs[i].grad();
  }
  return result;
}

std::array<at::Tensor, 4> random_inputs(int64_t positions, int64_t width, Rng& rng) {
  return {random_tensor({positions, width}, rng, at::kFloat),
          random_tensor({positions, width}, rng, at::kFloat),
          random_tensor({width}, rng, at::kFloat), random_tensor({width}, rng, at::kFloat)};
}

TEST(ResidualLayerNorm, OutputAndGradientsEqualATenInDouble) {
  Rng rng(5);
  for (const auto& [positions, width] :
       {std::array<int64_t, 2>{1, 5}, {3, 6}, {64, 16}, {65, 33}, {200, 64}}) {
    for (const bool masked : {false, true}) {
      for (const bool skip : {false, true}) {
        SCOPED_TRACE(testing::Message() << positions << " x " << width << masked << skip);
        auto inputs = random_inputs(positions, width, rng);
        if (!skip) inputs[1] = at::Tensor();
        const double p = masked ? 0.25 : 0;
        const at::Tensor keep =
            masked ? DropoutRng(3, 1).keep("site", positions, width, p) : at::Tensor();
        const at::Tensor dy = random_tensor({positions, width}, rng, at::kFloat);
        const auto wanted = run(residual_layer_norm_reference, inputs, keep, p, dy.to(at::kDouble));
        const auto found = run(residual_layer_norm, inputs, keep, p, dy);
        for (size_t i = 0; i < found.size(); ++i) {
          ASSERT_EQ(found[i].defined(), wanted[i].defined()) << i;
          if (found[i].defined()) {
            EXPECT_LT(test::relative_difference(found[i], wanted[i]), 1e-5) << i;
          }
        }
      }
    }
  }
}

TEST(ResidualLayerNorm, ThreadsDoNotChangeBits) {
  Rng rng(6);
  const auto inputs = random_inputs(1000, 64, rng);
  const at::Tensor keep = DropoutRng(3, 1).keep("site", 1000, 64, 0.5);
  const at::Tensor dy = random_tensor({1000, 64}, rng, at::kFloat);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = run(residual_layer_norm, inputs, keep, 0.5, dy);
  at::set_num_threads(2);
  const auto two = run(residual_layer_norm, inputs, keep, 0.5, dy);
  at::set_num_threads(threads);
  for (size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(at::equal(one[i], two[i])) << i;
}

TEST(ResidualLayerNorm, ShapesThatDoNotFitAreRefused) {
  Rng rng(7);
  const auto inputs = random_inputs(3, 4, rng);
  EXPECT_THROW(
      residual_layer_norm(inputs[0], inputs[1].slice(0, 0, 2), {}, 0, inputs[2], inputs[3], 1e-5),
      ShapeError);
}

// Numbers worked out on paper.
TEST(ResidualLayerNorm, ByHand) {
  // Mean 2, variance 1: eps 3 makes the root 2. Weight and bias per column.
  test::expect_values(residual_layer_norm(test::matrix({1, 3}, 1), {}, {}, 0,
                                          at::tensor({2.0f, 4.0f}), at::tensor({10.0f, 20.0f}), 3),
                      {9, 22});
  // The mask is on x alone: 4 * 2 + 1 = 9 and 0 + 5, mean 7, deviation 2.
  test::expect_values(residual_layer_norm(test::matrix({4, 100}, 1), test::matrix({1, 5}, 1),
                                          test::keep({1, 0}).view({1, 2}), 0.5,
                                          at::tensor({1.0f, 1.0f}), at::tensor({0.0f, 0.0f}), 0),
                      {1, -1});
}

}  // namespace
}  // namespace tandem::learn
