// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/products.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "unit/learn/op_values.h"

namespace tandem::learn {
namespace {

using test::kFloatLimit;
using test::random_tensor;
using test::relative_difference;

TEST(Products, EqualAtenOverOddSizes) {
  Rng rng(1);
  for (const auto& [p, i, o] : {std::tuple<int64_t, int64_t, int64_t>{1, 3, 2},
                                {7, 33, 700},
                                {300, 17, 8},
                                {5, 600, 513}}) {
    const at::Tensor x = random_tensor({p, i}, rng, at::kFloat);
    const at::Tensor w = random_tensor({o, i}, rng, at::kFloat);
    const at::Tensor dy = random_tensor({p, o}, rng, at::kFloat);
    EXPECT_LT(
        relative_difference(product_nt(x, w), product_nt(x.to(at::kDouble), w.to(at::kDouble))),
        kFloatLimit);
    EXPECT_LT(
        relative_difference(product_nn(dy, w), product_nn(dy.to(at::kDouble), w.to(at::kDouble))),
        kFloatLimit);
    EXPECT_LT(
        relative_difference(product_tn(dy, x), product_tn(dy.to(at::kDouble), x.to(at::kDouble))),
        kFloatLimit);
  }
  EXPECT_THROW(product_nt(random_tensor({2, 3}, rng), random_tensor({2, 4}, rng)), ShapeError);
}

}  // namespace
}  // namespace tandem::learn
