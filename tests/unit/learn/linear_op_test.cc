// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/linear.h"

#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/tensor.h>

#include <array>

#include "core/error.h"
#include "unit/learn/op_gradient.h"

namespace tandem::learn {
namespace {

using test::random_tensor;

struct Result {
  at::Tensor y, dx, dweight, dbias;
};

// Output and gradients of sum(y * weights) for one implementation.
template <typename Function>
Result run(const Function& function, const at::Tensor& x, const at::Tensor& weight,
           const at::Tensor& bias, const at::Tensor& dy) {
  const auto leaf = [&](const at::Tensor& t) {
    return t.to(dy.scalar_type()).clone().detach().set_requires_grad(true);
  };
  const at::Tensor a = leaf(x), w = leaf(weight), b = leaf(bias);
  const at::Tensor y = function(a, w, b);
  y.backward(dy);
  return {y.detach(), a.grad(), w.grad(), b.grad()};
}

TEST(Linear, OutputAndGradientsEqualATenInDouble) {
  Rng rng(5);
  for (const auto [positions, inputs, outputs] :
       {std::array<int64_t, 3>{1, 1, 1}, {3, 5, 7}, {129, 33, 65}, {300, 64, 256}}) {
    SCOPED_TRACE(positions);
    const at::Tensor x = random_tensor({positions, inputs}, rng, at::kFloat);
    const at::Tensor weight = random_tensor({outputs, inputs}, rng, at::kFloat);
    const at::Tensor bias = random_tensor({outputs}, rng, at::kFloat);
    const at::Tensor dy = random_tensor({positions, outputs}, rng, at::kFloat);
    const auto aten = [](const at::Tensor& a, const at::Tensor& w, const at::Tensor& b) {
      return at::linear(a, w, b);
    };
    const Result wanted = run(aten, x, weight, bias, dy.to(at::kDouble));
    const Result found = run(linear, x, weight, bias, dy);
    EXPECT_LT(test::relative_difference(found.y, wanted.y), 2e-6);
    EXPECT_LT(test::relative_difference(found.dx, wanted.dx), 2e-6);
    EXPECT_LT(test::relative_difference(found.dweight, wanted.dweight), 2e-6);
    EXPECT_LT(test::relative_difference(found.dbias, wanted.dbias), 2e-6);
  }
}

TEST(Linear, ThreadsDoNotChangeBits) {
  Rng rng(6);
  const at::Tensor x = random_tensor({300, 64}, rng, at::kFloat);
  const at::Tensor weight = random_tensor({256, 64}, rng, at::kFloat);
  const at::Tensor bias = random_tensor({256}, rng, at::kFloat);
  const at::Tensor dy = random_tensor({300, 256}, rng, at::kFloat);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Result one = run(linear, x, weight, bias, dy);
  at::set_num_threads(2);
  const Result two = run(linear, x, weight, bias, dy);
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one.y, two.y));
  EXPECT_TRUE(at::equal(one.dx, two.dx));
  EXPECT_TRUE(at::equal(one.dweight, two.dweight));
}

TEST(Linear, RefusesShapesThatDoNotFit) {
  Rng rng(7);
  const at::Tensor x = random_tensor({3, 4}, rng, at::kFloat);
  EXPECT_THROW(linear(x, random_tensor({2, 5}, rng, at::kFloat), at::tensor({1.0f, 2.0f})),
               ShapeError);
}

TEST(Linear, GradientInDoubleIsRight) {
  Rng rng(12);
  at::Tensor x = random_tensor({5, 6}, rng), weight = random_tensor({4, 6}, rng);
  at::Tensor bias = random_tensor({4}, rng);
  for (const at::Tensor& shift : {bias, at::Tensor()}) {
    const auto f = [&] { return learn::linear(x, weight, shift); };
    for (const at::Tensor& input : {x, weight}) test::expect_gradient(f, input, rng);
  }
  test::expect_gradient([&] { return learn::linear(x, weight, bias); }, bias, rng);
}

}  // namespace
}  // namespace tandem::learn
