// SPDX-License-Identifier: Apache-2.0
#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include <cmath>

#include "core/error.h"
#include "learn/ops/additive_attention.h"
#include "unit/learn/op_values.h"

namespace tandem::learn {
namespace {

using test::random_tensor;
using Inputs = std::vector<at::Tensor>;

const at::Tensor kStarts = at::tensor({0, 1, 5, 7, 13}, at::kLong);

void expect_equal(const Inputs& found, const Inputs& wanted, double limit) {
  for (size_t i = 0; i < wanted.size(); ++i)
    EXPECT_LT(test::relative_difference(found[i], wanted[i]), limit) << "output " << i;
}

template <typename Op>
void expect_same_bits(const Op& op, const Inputs& inputs) {
  const int before = at::get_num_threads();
  std::vector<Inputs> results;
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    results.push_back(test::value_and_gradients(op, inputs, at::kFloat));
  }
  at::set_num_threads(before);
  for (size_t i = 0; i < results[0].size(); ++i)
    EXPECT_TRUE(at::equal(results[0][i], results[1][i])) << "output " << i;
}

TEST(AdditiveAttention, IsTheEquationByHand) {
  // s(0 + 0) = 1/2, s(0 + 9) = 1: scores 2 ln 2 / 2 and 2 ln 2, probabilities 1/3 and 2/3.
  const at::Tensor query = at::tensor({0.0f}).view({1, 1});
  const at::Tensor key = at::tensor({0.0f, 9.0f}).view({2, 1});
  const at::Tensor value = at::tensor({3.0f, 30.0f}).view({2, 1});
  const at::Tensor v = at::full({1}, 2 * std::log(2.0f));
  const at::Tensor c = additive_attention(query, key, value, v, at::tensor({0, 2}, at::kLong),
                                          at::tensor({1}, at::kLong));
  EXPECT_NEAR(c.item<double>(), 1 + 20, 1e-5);
}

TEST(AdditiveAttention, ValueAndGradientsEqualTheTwin) {
  const at::Tensor some = at::tensor({0, 4, 6, 9, 12}, at::kLong);
  for (const int64_t width : {3, 8, 21}) {
    for (const at::Tensor& wanted : {at::Tensor(), some}) {
      SCOPED_TRACE(width);
      Rng rng(6);
      const int64_t queries = wanted.defined() ? wanted.numel() : 13;
      // Wide enough that the hard sigmoid is at both of its ends too.
      const Inputs inputs{random_tensor({queries, width}, rng) * 3,
                          random_tensor({13, width}, rng) * 3, random_tensor({13, width}, rng),
                          random_tensor({width}, rng)};
      const auto with = [&](const auto& op) {
        return [&](const Inputs& in) { return op(in[0], in[1], in[2], in[3], kStarts, wanted); };
      };
      const auto wanted_values =
          test::value_and_gradients(with(additive_attention_reference), inputs, at::kDouble);
      expect_equal(test::value_and_gradients(with(additive_attention), inputs, at::kFloat),
                   wanted_values, 1e-5);
      expect_same_bits(with(additive_attention), inputs);
    }
  }
}

TEST(AdditiveAttention, TheTwinsGradientsEqualCentralDifferences) {
  Rng rng(7);
  const at::Tensor wanted = at::tensor({0, 4, 6, 9, 12}, at::kLong);
  Inputs in{random_tensor({5, 3}, rng), random_tensor({13, 3}, rng), random_tensor({13, 3}, rng),
            random_tensor({3}, rng)};
  const auto f = [&] {
    return additive_attention_reference(in[0], in[1], in[2], in[3], kStarts, wanted);
  };
  for (const at::Tensor& input : in) test::expect_gradient(f, input, rng);
}

TEST(AdditiveAttention, IsCausalWithAHardSigmoidByHand) {
  // v = ln 3 * 2. Scores of the second position: query 3 + keys 0 and -3: 2 ln 3 * (1, 1/2), the
  // first weighs 9 and the second 3.
  const at::Tensor v = at::tensor({static_cast<float>(2 * std::log(3.0))}),
                   starts = test::longs({0, 2});
  test::expect_values(additive_attention(test::matrix({0, 3}, 2), test::matrix({0, -3}, 2),
                                         test::matrix({4, 8}, 2), v, starts),
                      {4, 5});
  // Beyond 3 it is 1, below -3 it is 0: weights 9 and 1.
  test::expect_values(additive_attention(test::matrix({0, 0}, 2), test::matrix({7, -7}, 2),
                                         test::matrix({10, 0}, 2), v, starts),
                      {10, 9});
}

TEST(AdditiveAttention, RefusesWhatDoesNotFit) {
  Rng rng(8);
  const at::Tensor x = random_tensor({13, 3}, rng, at::kFloat),
                   v = random_tensor({3}, rng, at::kFloat);
  EXPECT_THROW(additive_attention(x, x, x, v.slice(0, 1), kStarts), ShapeError);
  EXPECT_THROW(additive_attention(x, x, x, v, kStarts, at::tensor({1, 2}, at::kLong)), ShapeError);
  const at::Tensor two = x.slice(0, 0, 2);
  EXPECT_THROW(additive_attention(two, x, x, v, kStarts, at::tensor({2, 1}, at::kLong)),
               ShapeError);
  EXPECT_THROW(additive_attention(two, x, x, v, kStarts, at::tensor({1, 13}, at::kLong)),
               ShapeError);
}

}  // namespace
}  // namespace tandem::learn
