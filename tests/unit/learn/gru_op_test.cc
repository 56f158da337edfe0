// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/gru.h"

#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>

#include <cmath>

#include "core/error.h"
#include "unit/learn/op_gradient.h"

namespace tandem::learn {
namespace {

using test::random_tensor;
using Inputs = std::vector<at::Tensor>;

// Eleven rows of 1 to 7 positions: two groups, in no order.
const at::Tensor kStarts = at::tensor({0, 3, 4, 11, 13, 18, 19, 25, 27, 28, 32, 38}, at::kLong);

Inputs make_inputs(int64_t inputs, int64_t width) {
  Rng rng(5);
  return {random_tensor({38, inputs}, rng), random_tensor({3 * width, inputs}, rng) * 0.5,
          random_tensor({3 * width, width}, rng) * 0.4, random_tensor({3 * width}, rng),
          random_tensor({3 * width}, rng)};
}

const auto run = [](const auto& op) {
  return [&op](const Inputs& in) { return op(in[0], in[1], in[2], in[3], in[4], kStarts); };
};

TEST(Gru, IsTheEquationByHand) {
  // One channel: r = sigmoid(1 - 1) = 1/2, z = sigmoid(0) = 1/2, n = tanh(2 + 1/2 * 3).
  const at::Tensor x = at::tensor({1.0f}).view({1, 1});
  const at::Tensor h =
      gru(x, at::tensor({1.0f, 0.0f, 2.0f}).view({3, 1}),
          at::tensor({5.0f, 6.0f, 7.0f}).view({3, 1}), at::tensor({0.0f, 0.0f, 0.0f}),
          at::tensor({-1.0f, 0.0f, 3.0f}), at::tensor({0, 1}, at::kLong));
  EXPECT_NEAR(h.item<double>(), 0.5 * std::tanh(3.5), 1e-6);
}

TEST(Gru, ValueAndGradientsEqualTheReference) {
  for (const int64_t width : {1, 5, 16, 33}) {
    SCOPED_TRACE(width);
    const Inputs inputs = make_inputs(6, width);
    const auto wanted = test::value_and_gradients(run(gru_reference), inputs, at::kDouble);
    const auto found = test::value_and_gradients(run(gru), inputs, at::kFloat);
    const auto composed = test::value_and_gradients(run(gru_composed), inputs, at::kDouble);
    for (size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_LT(test::relative_difference(found[i], wanted[i]), 1e-5) << "output " << i;
      EXPECT_LT(test::relative_difference(composed[i], wanted[i]), 1e-12) << "output " << i;
    }
  }
}

TEST(Gru, ARowHasTheSameBitsAlone) {
  const Inputs in = make_inputs(6, 16);
  const auto f = [](const at::Tensor& x) { return x.to(at::kFloat); };
  const at::Tensor all = gru(f(in[0]), f(in[1]), f(in[2]), f(in[3]), f(in[4]), kStarts);
  const at::Tensor alone = gru(f(in[0]).slice(0, 13, 18), f(in[1]), f(in[2]), f(in[3]), f(in[4]),
                               at::tensor({0, 5}, at::kLong));
  EXPECT_LT(test::relative_difference(alone, all.slice(0, 13, 18)), 1e-6);
}

TEST(Gru, ThreadsDoNotChangeBits) {
  const Inputs inputs = make_inputs(6, 33);
  const int before = at::get_num_threads();
  std::vector<Inputs> results;
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    results.push_back(test::value_and_gradients(run(gru), inputs, at::kFloat));
  }
  at::set_num_threads(before);
  for (size_t i = 0; i < results[0].size(); ++i)
    EXPECT_TRUE(at::equal(results[0][i], results[1][i])) << "output " << i;
}

TEST(Gru, RefusesShapesThatDoNotFit) {
  const Inputs in = make_inputs(6, 5);
  EXPECT_THROW(gru(in[0], in[2], in[2], in[3], in[4], kStarts), ShapeError);
  EXPECT_THROW(gru(in[0], in[1], in[2], in[3].slice(0, 1), in[4], kStarts), ShapeError);
  EXPECT_THROW(gru(in[0], in[1], in[2], in[3], in[4], kStarts.slice(0, 0, 5)), ShapeError);
  EXPECT_THROW(gru(in[0], in[1], in[2], in[3], in[4], at::tensor({0, 38, 38}, at::kLong)),
               ShapeError);
}

}  // namespace
}  // namespace tandem::learn
