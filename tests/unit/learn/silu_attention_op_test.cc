// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/silu_attention.h"

#include <ATen/Parallel.h>

#include <cmath>

#include "core/error.h"
#include "unit/learn/op_values.h"

namespace tandem::learn {
namespace {

using test::longs;
using test::random_tensor;

// Two rows of one head; the first position of the second row sees nothing.
KeyRanges ranges_by_hand() {
  return {.row_starts = longs({0, 2, 4}),
          .query_starts = longs({0, 2, 4}),
          .begin = longs({0, 0, 3, 3}),
          .end = longs({1, 2, 3, 4})};
}

double silu(double x) { return x / (1 + std::exp(-x)); }

TEST(SiluAttention, ByHand) {
  const at::Tensor q = test::matrix({1, 2, -1, 3}, 4), k = test::matrix({1, 0.5, 7, 1}, 4),
                   v = test::matrix({10, 20, 30, 40}, 4);
  test::expect_values(silu_attention(1, q, k, v, ranges_by_hand(), 5),
                      {silu(1) * 10 / 5, (silu(2) * 10 + silu(1) * 20) / 5, 0, silu(3) * 40 / 5});
}

TEST(SiluAttention, BiasByHand) {
  const at::Tensor q = test::matrix({1, 2, -1, 3}, 4), k = test::matrix({1, 0.5, 7, 1}, 4),
                   v = test::matrix({10, 20, 30, 40}, 4);
  const at::Tensor bias = test::matrix({1, -2, 3, 0.5}, 4).view({4});
  const std::vector<double> wanted = {silu(2) * 10 / 5, (silu(0) * 10 + silu(4) * 20) / 5, 0,
                                      silu(3.5) * 40 / 5};
  test::expect_values(silu_attention(1, q, k, v, ranges_by_hand(), 5, bias), wanted);
  test::expect_values(silu_attention_reference(1, q, k, v, ranges_by_hand(), 5, bias), wanted);
  EXPECT_THROW(silu_attention(1, q, k, v, ranges_by_hand(), 5, bias.narrow(0, 0, 3)), ShapeError);
}

TEST(SiluAttention, BiasAndItsGradientEqualTheReferenceInDouble) {
  Rng rng(8);
  const at::Tensor starts = longs({0, 1, 8, 20});
  for (const at::Tensor& wanted : {at::Tensor(), longs({3, 7, 19})}) {
    const KeyRanges ranges = causal_ranges(starts, wanted);
    const int64_t pairs = (ranges.end - ranges.begin).sum().item<int64_t>();
    const auto with = [&](const auto& op) {
      return [&, op](const std::vector<at::Tensor>& x) {
        return op(3, x[0], x[1], x[2], ranges, 7.0, x[3]);
      };
    };
    test::expect_same(
        with(silu_attention), with(silu_attention_reference),
        {random_tensor({ranges.num_queries(), 15}, rng, at::kFloat),
         random_tensor({20, 15}, rng, at::kFloat), random_tensor({20, 15}, rng, at::kFloat),
         random_tensor({pairs}, rng, at::kFloat)},
        rng, test::kFloatLimit);
  }
}

TEST(SiluAttention, ValueAndGradientsEqualTheReferenceInDouble) {
  Rng rng(3);
  for (const int64_t heads : {1, 3}) {
    for (const int64_t head : {1, 5, 16}) {
      SCOPED_TRACE(fmt::format("{} x {}", heads, head));
      const KeyRanges ranges = causal_ranges(longs({0, 1, 8, 20}));
      const int64_t width = heads * head;
      const auto with = [&](const auto& op) {
        return [&, op](const std::vector<at::Tensor>& x) {
          return op(heads, x[0], x[1], x[2], ranges, 7.0, at::Tensor());
        };
      };
      test::expect_same(
          with(silu_attention), with(silu_attention_reference),
          {random_tensor({20, width}, rng, at::kFloat), random_tensor({20, width}, rng, at::kFloat),
           random_tensor({20, width}, rng, at::kFloat)},
          rng, test::kFloatLimit);
    }
  }
}

TEST(SiluAttention, WantedPositionsAloneGiveTheirRows) {
  Rng rng(4);
  const at::Tensor starts = longs({0, 4, 9}), wanted = longs({3, 5, 8});
  const at::Tensor q = random_tensor({9, 6}, rng, at::kFloat),
                   k = random_tensor({9, 6}, rng, at::kFloat),
                   v = random_tensor({9, 6}, rng, at::kFloat);
  const at::Tensor all = silu_attention(2, q, k, v, causal_ranges(starts), 3);
  const at::Tensor some =
      silu_attention(2, q.index_select(0, wanted), k, v, causal_ranges(starts, wanted), 3);
  EXPECT_TRUE(some.equal(all.index_select(0, wanted)));
}

TEST(SiluAttention, ReferencesGradientEqualsCentralDifferences) {
  Rng rng(5);
  at::Tensor q = random_tensor({4, 2}, rng), k = random_tensor({4, 2}, rng),
             v = random_tensor({4, 2}, rng);
  const auto value = [&] { return silu_attention_reference(1, q, k, v, ranges_by_hand(), 2); };
  for (const at::Tensor& x : {q, k, v}) test::expect_gradient(value, x, rng);
}

TEST(SiluAttention, SameBitsOnOneAndTwoThreads) {
  Rng rng(6);
  const at::Tensor x = random_tensor({64, 8}, rng, at::kFloat);
  const KeyRanges ranges = causal_ranges(longs({0, 30, 31, 64}));
  const auto run = [&](int threads) {
    at::set_num_threads(threads);
    const at::Tensor leaf = x.clone().set_requires_grad(true);
    const at::Tensor out = silu_attention(2, leaf, leaf, leaf, ranges, 33);
    out.backward(x);
    return std::pair(out.detach(), leaf.grad());
  };
  const int before = at::get_num_threads();
  const auto one = run(1), two = run(2);
  at::set_num_threads(before);
  EXPECT_TRUE(one.first.equal(two.first));
  EXPECT_TRUE(one.second.equal(two.second));
}

TEST(SiluAttention, RefusesWhatDoesNotFit) {
  Rng rng(7);
  const at::Tensor x = random_tensor({4, 6}, rng, at::kFloat);
  EXPECT_THROW(silu_attention(4, x, x, x, causal_ranges(longs({0, 4})), 4), ShapeError);
  EXPECT_THROW(silu_attention(2, x, x, x, causal_ranges(longs({0, 3})), 4), ShapeError);
}

}  // namespace
}  // namespace tandem::learn
