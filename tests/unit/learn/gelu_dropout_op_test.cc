// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/gelu_dropout.h"

#include "core/error.h"
#include "learn/model.h"
#include "unit/learn/op_values.h"

namespace tandem::learn {
namespace {

using test::random_tensor;

// The error of Phi's approximation, 1.5e-7, is relative to values of the order of one.
TEST(GeluDropout, OutputAndGradientEqualATenInDouble) {
  Rng rng(5);
  for (const int64_t columns : {1, 7, 16, 33, 256}) {
    for (const double p : {0.0, 0.2}) {
      SCOPED_TRACE(columns);
      const at::Tensor x = random_tensor({101, columns}, rng, at::kFloat) * 3;
      const at::Tensor keep = p > 0 ? DropoutRng(3, 1).keep("site", 101, columns, p) : at::Tensor();
      const at::Tensor dy = random_tensor({101, columns}, rng, at::kFloat);
      const at::Tensor a = x.clone().set_requires_grad(true);
      const at::Tensor b = x.to(at::kDouble).set_requires_grad(true);
      const at::Tensor found = gelu_dropout(a, keep, p),
                       wanted = gelu_dropout_reference(b, keep, p);
      found.backward(dy);
      wanted.backward(dy.to(at::kDouble));
      EXPECT_LT(test::relative_difference(found, wanted), 1e-6);
      EXPECT_LT(test::relative_difference(a.grad(), b.grad()), 1e-6);
    }
  }
}

TEST(GeluDropout, AMaskOfAnotherSizeIsRefused) {
  Rng rng(6);
  EXPECT_THROW(gelu_dropout(random_tensor({4, 3}, rng, at::kFloat),
                            DropoutRng(3, 1).keep("site", 3, 3, 0.5), 0.5),
               ShapeError);
}

// Numbers worked out on paper.
TEST(GeluDropout, ByHand) {
  // x Phi(x); the tanh form gives 0.8411920 at 1.
  test::expect_values(gelu_dropout(test::matrix({1, -1, 2, 0}, 1), {}, 0),
                      {0.8413447461, -0.1586552539, 1.9544997361, 0});
  test::expect_values(gelu_dropout(test::matrix({1, 1}, 1), test::keep({1, 0}), 0.5),
                      {2 * 0.8413447461, 0});
}

}  // namespace
}  // namespace tandem::learn
