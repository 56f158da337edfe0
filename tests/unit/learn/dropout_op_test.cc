// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/dropout.h"

#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>

#include <cmath>

#include "core/error.h"
#include "learn/model.h"
#include "unit/learn/op_values.h"

namespace tandem::learn {
namespace {

TEST(Dropout, EqualsTheReference) {
  Rng rng(6);
  const at::Tensor x = test::random_tensor({17, 5}, rng);
  const at::Tensor keep = DropoutRng(1, 2).keep("a", 17, 5, 0.4);
  EXPECT_LT(test::relative_difference(dropout(x, keep, 0.4), dropout_reference(x, keep, 0.4)),
            1e-15);
}

TEST(Dropout, GradientEqualsCentralDifferences) {
  Rng rng(7);
  const at::Tensor x = test::random_tensor({3, 5}, rng);
  const at::Tensor keep = DropoutRng(1, 2).keep("a", 3, 5, 0.4);
  test::expect_gradient([&] { return dropout(x, keep, 0.4); }, x, rng);
}

TEST(Dropout, RefusesAMaskOfAnotherSize) {
  EXPECT_THROW(dropout(at::ones({2, 3}), at::ones({5}, at::kByte), 0.5), ShapeError);
}

TEST(DropoutRng, KeepsTheRightShare) {
  // 200,000 draws: five standard deviations are below 0.006.
  for (const double p : {0.0, 0.1, 0.2, 0.5, 0.8}) {
    const at::Tensor keep = DropoutRng(11, 3).keep("site", 2000, 100, p);
    const double share = keep.to(at::kDouble).mean().item<double>();
    EXPECT_NEAR(share, 1 - p, 0.006);
    // Neighbours are independent: the share of kept pairs is the square.
    const at::Tensor pair = keep.slice(1, 1) * keep.slice(1, 0, 99);
    EXPECT_NEAR(pair.to(at::kDouble).mean().item<double>(), (1 - p) * (1 - p), 0.008);
  }
}

TEST(DropoutRng, IsAFunctionOfSeedStepSiteAndElement) {
  const auto keep = [](uint64_t seed, uint64_t step, const char* site) {
    return DropoutRng(seed, step).keep(site, 40, 7, 0.5);
  };
  const at::Tensor mask = keep(1, 2, "a");
  EXPECT_TRUE(at::equal(mask, keep(1, 2, "a")));
  for (const at::Tensor& other : {keep(2, 2, "a"), keep(1, 3, "a"), keep(1, 2, "b")}) {
    // Independent masks agree in half of 280 places; 8 deviations are 67.
    EXPECT_NEAR(mask.eq(other).sum().item<double>(), 140, 67);
  }
  // More rows only add elements.
  EXPECT_TRUE(at::equal(mask, DropoutRng(1, 2).keep("a", 50, 7, 0.5).slice(0, 0, 40)));
}

TEST(DropoutRng, ThreadsDoNotChangeMasks) {
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = DropoutRng(1, 2).keep("a", 1001, 333, 0.3);
  at::set_num_threads(2);
  EXPECT_TRUE(at::equal(one, DropoutRng(1, 2).keep("a", 1001, 333, 0.3)));
  at::set_num_threads(before);
}

// Numbers worked out on paper.
TEST(Dropout, ByHand) {
  // What is kept is divided by 1 - p.
  test::expect_values(dropout(test::matrix({3, 6, -9}, 1), test::keep({1, 0, 1}), 0.25),
                      {4, 0, -12});
}

}  // namespace
}  // namespace tandem::learn
