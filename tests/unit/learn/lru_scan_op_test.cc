// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/lru_scan.h"

#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>

#include "core/error.h"
#include "unit/learn/op_gradient.h"

namespace tandem::learn {
namespace {

using test::random_tensor;

struct Case {
  at::Tensor u, lambda, carry, row_starts;
};

// Rows of 1, 4, 2 and 6 positions; the third position of the last row does not pass its state on.
Case make_case(int64_t channels, at::ScalarType type) {
  Rng rng(3);
  const at::Tensor carry = at::tensor({0, 0, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1}, at::kByte);
  return {random_tensor({13, 2 * channels}, rng, type),
          random_tensor({2 * channels}, rng, type) * 0.5, carry,
          at::tensor({0, 1, 5, 7, 13}, at::kLong)};
}

TEST(LruScan, IsTheRecurrenceByHand) {
  // lambda = i: h0 = 1, h1 = 2 + i h0 = 2 + i, and a new row starts from nothing.
  const at::Tensor u = at::tensor({1.0, 0.0, 2.0, 0.0, 5.0, 3.0}).view({3, 2});
  const at::Tensor h = lru_scan(u, at::tensor({0.0, 1.0}).to(u.scalar_type()),
                                at::tensor({0, 1, 1}, at::kByte), at::tensor({0, 2, 3}, at::kLong));
  EXPECT_TRUE(at::equal(h, at::tensor({1.0, 0.0, 2.0, 1.0, 5.0, 3.0}).view({3, 2})));
}

TEST(LruScan, EqualsTheReference) {
  for (const int64_t channels : {1, 3, 8, 33}) {
    SCOPED_TRACE(channels);
    const Case c = make_case(channels, at::kDouble);
    const at::Tensor wanted = lru_scan_reference(c.u, c.lambda, c.carry);
    EXPECT_LT(test::relative_difference(lru_scan(c.u, c.lambda, c.carry, c.row_starts), wanted),
              1e-14);
    const at::Tensor h =
        lru_scan(c.u.to(at::kFloat), c.lambda.to(at::kFloat), c.carry, c.row_starts);
    EXPECT_LT(test::relative_difference(h, wanted), 1e-6);
  }
}

// What other devices run, against the op on the CPU.
TEST(LruScan, ComposedOfAtenOperationsIsTheSameWithItsGradients) {
  const Case c = make_case(5, at::kDouble);
  c.u.set_requires_grad(true);
  c.lambda.set_requires_grad(true);
  const auto run = [&](const auto& scan) {
    c.u.mutable_grad() = at::Tensor();
    c.lambda.mutable_grad() = at::Tensor();
    const at::Tensor h = scan(c.u, c.lambda, c.carry, c.row_starts);
    h.square().sum().backward();
    return std::vector<at::Tensor>{h.detach(), c.u.grad().clone(), c.lambda.grad().clone()};
  };
  const auto wanted = run(lru_scan), found = run(lru_scan_composed);
  for (size_t i = 0; i < wanted.size(); ++i)
    EXPECT_LT(test::relative_difference(found[i], wanted[i]), 1e-13) << "output " << i;
}

TEST(LruScan, GradientsEqualCentralDifferences) {
  Rng rng(4);
  const Case c = make_case(3, at::kDouble);
  const auto scan = [&] { return lru_scan(c.u, c.lambda, c.carry, c.row_starts); };
  test::expect_gradient(scan, c.u, rng);
  test::expect_gradient(scan, c.lambda, rng);
}

TEST(LruScan, ThreadsDoNotChangeBits) {
  const Case c = make_case(33, at::kFloat);
  c.u.set_requires_grad(true);
  c.lambda.set_requires_grad(true);
  const int before = at::get_num_threads();
  std::vector<at::Tensor> gradients;
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    c.lambda.mutable_grad() = at::Tensor();
    lru_scan(c.u, c.lambda, c.carry, c.row_starts).square().sum().backward();
    gradients.push_back(c.lambda.grad().clone());
  }
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(gradients[0], gradients[1]));
}

TEST(LruScan, RefusesShapesThatDoNotFit) {
  const Case c = make_case(4, at::kFloat);
  EXPECT_THROW(lru_scan(c.u, c.lambda.slice(0, 0, 6), c.carry, c.row_starts), ShapeError);
  EXPECT_THROW(lru_scan(c.u, c.lambda, c.carry.slice(0, 1), c.row_starts), ShapeError);
  EXPECT_THROW(lru_scan(c.u, c.lambda, c.carry, c.row_starts.slice(0, 0, 3)), ShapeError);
}

}  // namespace
}  // namespace tandem::learn
