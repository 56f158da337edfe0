// SPDX-License-Identifier: Apache-2.0
// The attentions of NARM (additive) and BERT4Rec (full, with dropout).
#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include <cmath>

#include "core/error.h"
#include "learn/ops/additive_attention.h"
#include "learn/ops/full_attention.h"
#include "unit/learn/op_gradient.h"

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

// u8 [13, heads * most], about 2/3 ones.
at::Tensor random_mask(int64_t heads, int64_t most) {
  Rng rng(9);
  return random_tensor({13, heads * most}, rng).gt(-0.43).to(at::kByte);
}

TEST(FullAttention, ValueAndGradientsEqualTheTwin) {
  for (const int64_t heads : {1, 3}) {
    for (const bool dropped : {false, true}) {
      SCOPED_TRACE(heads);
      Rng rng(10);
      const Inputs inputs{random_tensor({13, 12}, rng), random_tensor({13, 12}, rng),
                          random_tensor({13, 12}, rng)};
      const at::Tensor keep = dropped ? random_mask(heads, 8) : at::Tensor();
      const auto with = [&](const auto& op) {
        return [&](const Inputs& in) {
          return op(heads, in[0], in[1], in[2], kStarts, keep, dropped ? 0.3 : 0.0);
        };
      };
      const auto wanted =
          test::value_and_gradients(with(full_attention_reference), inputs, at::kDouble);
      expect_equal(test::value_and_gradients(with(full_attention), inputs, at::kFloat), wanted,
                   1e-5);
      expect_same_bits(with(full_attention), inputs);
    }
  }
}

TEST(FullAttention, TheTwinsGradientsEqualCentralDifferences) {
  Rng rng(11);
  Inputs in{random_tensor({13, 4}, rng), random_tensor({13, 4}, rng), random_tensor({13, 4}, rng)};
  const at::Tensor keep = random_mask(2, 6);
  const auto f = [&] {
    return full_attention_reference(2, in[0], in[1], in[2], kStarts, keep, 0.3);
  };
  for (const at::Tensor& input : in) test::expect_gradient(f, input, rng);
}

TEST(FullAttention, EqualKeysGiveTheRowsMean) {
  Rng rng(12);
  const at::Tensor q = random_tensor({13, 4}, rng, at::kFloat),
                   v = random_tensor({13, 4}, rng, at::kFloat);
  const at::Tensor out = full_attention(2, q, at::full({13, 4}, 0.5f), v, kStarts);
  for (int64_t p = 7; p < 13; ++p)
    EXPECT_LT(test::relative_difference(out[p], v.slice(0, 7, 13).mean(0)), 1e-6);
}

TEST(FullAttention, RefusesWhatDoesNotFit) {
  Rng rng(13);
  const at::Tensor x = random_tensor({13, 4}, rng, at::kFloat);
  EXPECT_THROW(full_attention(3, x, x, x, kStarts), ShapeError);
  EXPECT_THROW(full_attention(2, x, x, x, kStarts.slice(0, 0, 3)), ShapeError);
  EXPECT_THROW(full_attention(2, x, x, x, kStarts, random_mask(2, 5), 0.3), ShapeError);
}

}  // namespace
}  // namespace tandem::learn
