// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "core/error.h"
#include "unit/learn/op_values.h"

namespace tandem::learn {
namespace {

using test::longs;
using test::random_tensor;
using test::relative_difference;
using Inputs = std::vector<at::Tensor>;

struct Case {
  std::string name;
  AttentionShape shape;
  KeyRanges ranges;
  double p = 0;

  // q, k, v.
  Inputs inputs(Rng& rng, at::ScalarType type) const {
    const int64_t keys = ranges.num_keys(), key_width = shape.kv_heads * shape.head_dim;
    return {random_tensor({ranges.num_queries(), shape.heads * shape.head_dim}, rng, type),
            random_tensor({keys, key_width}, rng, type),
            random_tensor({keys, key_width}, rng, type)};
  }
  AttentionOptions options() const {
    if (p == 0) return {};
    Rng rng(9);
    // A mask may have columns for longer rows than there are.
    const int64_t columns = shape.heads * (ranges.longest_row() + 2);
    return {.keep = random_tensor({ranges.num_queries(), columns}, rng).gt(-0.43).to(at::kByte),
            .p = p};
  }
};

std::vector<Case> small_cases() {
  const at::Tensor starts = longs({0, 1, 4, 9});
  return {{"causal", {2, 2, 4}, causal_ranges(starts)},
          {"grouped, wanted", {4, 2, 3}, causal_ranges(longs({0, 6, 7}), longs({0, 2, 5, 6}))},
          {"window", {4, 1, 4}, causal_ranges(longs({0, 8, 9, 11}), {}, 3)},
          {"window, wanted", {2, 1, 2}, causal_ranges(longs({0, 5, 11}), longs({4, 6, 10}), 2)},
          {"a row without queries", {2, 1, 2}, causal_ranges(longs({0, 3, 6}), longs({1}))},
          {"rows", {2, 2, 3}, row_ranges(starts)},
          {"rows, dropout", {2, 2, 3}, row_ranges(starts), 0.3},
          {"rows, grouped, wanted, dropout", {4, 2, 3}, row_ranges(starts, longs({0, 2, 8})), 0.3},
          {"prefix", {2, 1, 4}, prefix_ranges(starts, longs({1, 0, 3}))},
          {"prefix, wanted", {2, 2, 2}, prefix_ranges(starts, longs({0, 2, 5}), longs({1, 4, 8}))}};
}

std::vector<Case> cases_of_many_blocks() {
  return {
      {"causal", {4, 4, 8}, causal_ranges(longs({0, 300, 301, 450}))},
      {"one key head", {8, 1, 16}, causal_ranges(longs({0, 130}))},
      {"window", {6, 2, 8}, causal_ranges(longs({0, 333}), {}, 50)},
      {"wanted", {8, 2, 8}, causal_ranges(longs({0, 200, 260}), longs({150, 199, 200, 259}), 20)},
      {"rows", {2, 2, 16}, row_ranges(longs({0, 200, 203, 410}))},
      {"rows, dropout", {4, 2, 8}, row_ranges(longs({0, 200, 203, 410})), 0.2},
      {"prefix", {4, 2, 8}, prefix_ranges(longs({0, 200, 410}), longs({170, 3}))}};
}

Inputs results(const Case& example, const Inputs& inputs, at::ScalarType type,
               const AttentionOptions& options) {
  return test::value_and_gradients(
      [&](const Inputs& in) {
        return attention(example.shape, in[0], in[1], in[2], example.ranges, options);
      },
      inputs, type);
}

TEST(KeyRanges, AreTheDefinitions) {
  const auto pairs = [](const KeyRanges& ranges) {
    std::vector<std::pair<int64_t, int64_t>> all;
    for (int64_t i = 0; i < ranges.num_queries(); ++i)
      all.emplace_back(ranges.begin[i].item<int64_t>(), ranges.end[i].item<int64_t>());
    return all;
  };
  using Pairs = std::vector<std::pair<int64_t, int64_t>>;
  const at::Tensor starts = longs({0, 2, 6});
  EXPECT_EQ(pairs(causal_ranges(starts)), (Pairs{{0, 1}, {0, 2}, {2, 3}, {2, 4}, {2, 5}, {2, 6}}));
  EXPECT_EQ(pairs(causal_ranges(starts, longs({1, 4, 5}), 2)), (Pairs{{0, 2}, {3, 5}, {4, 6}}));
  EXPECT_EQ(pairs(row_ranges(starts, longs({1, 2}))), (Pairs{{0, 2}, {2, 6}}));
  EXPECT_EQ(pairs(prefix_ranges(starts, longs({0, 3}))),
            (Pairs{{0, 1}, {0, 2}, {2, 5}, {2, 5}, {2, 5}, {2, 6}}));
  const KeyRanges some = causal_ranges(starts, longs({1, 4, 5}));
  EXPECT_TRUE(some.query_starts.equal(longs({0, 1, 3})));
  EXPECT_EQ(some.num_keys(), 6);
  EXPECT_EQ(some.longest_row(), 4);
}

TEST(KeyRanges, RefuseWhatDoesNotFit) {
  EXPECT_THROW(causal_ranges(longs({0, 5, 3})), ShapeError);
  EXPECT_THROW(causal_ranges(longs({1, 3})), ShapeError);
  EXPECT_THROW(causal_ranges(longs({0, 3}), longs({0, 2, 2})), ShapeError);
  EXPECT_THROW(causal_ranges(longs({0, 3}), longs({0, 1, 3})), ShapeError);
  EXPECT_THROW(causal_ranges(longs({0, 3}), longs({-1})), ShapeError);
  EXPECT_THROW(causal_ranges(longs({0, 3}), {}, -1), ShapeError);
  EXPECT_THROW(causal_ranges(longs({0, 3}).to(at::kInt)), ShapeError);
  EXPECT_THROW(prefix_ranges(longs({0, 3}), longs({4})), ShapeError);
  EXPECT_THROW(prefix_ranges(longs({0, 3, 5}), longs({2})), ShapeError);
}

TEST(Attention, GradientIsRight) {
  Rng rng(8);
  for (const Case& example : small_cases()) {
    SCOPED_TRACE(example.name);
    const Inputs in = example.inputs(rng, at::kDouble);
    for (const bool saved : {false, true}) {
      AttentionOptions options = example.options();
      options.save_probabilities = saved;
      const auto f = [&] {
        return attention(example.shape, in[0], in[1], in[2], example.ranges, options);
      };
      EXPECT_LT(relative_difference(f(), attention_reference(example.shape, in[0], in[1], in[2],
                                                             example.ranges, options)),
                1e-12);
      EXPECT_LT(
          relative_difference(
              attention_composed(example.shape, in[0], in[1], in[2], example.ranges, options), f()),
          1e-12);
      for (const at::Tensor& input : in) test::expect_gradient(f, input, rng);
    }
  }
}

TEST(Attention, EqualsItsTwinOverManyBlocks) {
  Rng rng(9);
  for (const Case& example : cases_of_many_blocks()) {
    SCOPED_TRACE(example.name);
    const AttentionOptions options = example.options();
    const Inputs in = example.inputs(rng, at::kFloat);
    const auto slow = [&](const Inputs& x) {
      return attention_reference(example.shape, x[0], x[1], x[2], example.ranges, options);
    };
    const auto composed = [&](const Inputs& x) {
      return attention_composed(example.shape, x[0], x[1], x[2], example.ranges, options);
    };
    const Inputs wanted = test::value_and_gradients(slow, in, at::kDouble);
    const auto expect_near = [&](const Inputs& found, const Inputs& exact, double limit) {
      for (size_t i = 0; i < exact.size(); ++i)
        EXPECT_LT(relative_difference(found[i], exact[i]), limit) << "output " << i;
    };
    // Sums of some hundred float32 products in another order; a bfloat16 has 8 bits.
    expect_near(results(example, in, at::kFloat, options), wanted, 5e-6);
    expect_near(test::value_and_gradients(composed, in, at::kFloat), wanted, 5e-6);
    Inputs rounded;
    for (const at::Tensor& x : in) rounded.push_back(x.to(at::kBFloat16));
    const Inputs of_rounded = test::value_and_gradients(slow, rounded, at::kDouble);
    expect_near(results(example, rounded, at::kBFloat16, options), of_rounded, 2e-2);
    expect_near(test::value_and_gradients(composed, rounded, at::kBFloat16), of_rounded, 2e-2);
  }
}

TEST(Attention, ThreadsAndSavedProbabilitiesChangeNoBit) {
  Rng rng(10);
  const int before = at::get_num_threads();
  for (const Case& example : cases_of_many_blocks()) {
    SCOPED_TRACE(example.name);
    const Inputs in = example.inputs(rng, at::kFloat);
    AttentionOptions options = example.options();
    at::set_num_threads(1);
    const Inputs one = results(example, in, at::kFloat, options);
    at::set_num_threads(2);
    options.save_probabilities = true;
    const Inputs two = results(example, in, at::kFloat, options);
    for (size_t i = 0; i < one.size(); ++i)
      EXPECT_TRUE(at::equal(one[i], two[i])) << "output " << i;
  }
  at::set_num_threads(before);
}

// Two positions, one head of width 4: scores are q . k / 2. The first key weighs 1 to e^(2 ln 3 /
// 2).
TEST(Attention, DividesByTheRootOfTheWidthByHand) {
  const auto ln3 = static_cast<float>(std::log(3.0));
  const at::Tensor q = test::matrix({1, 0, 0, 0, 2, 0, 0, 0}, 2),
                   k = test::matrix({0, 9, 0, 0, ln3, 9, 0, 0}, 2),
                   v = test::matrix({4, 0, 0, 0, 8, 0, 0, 1}, 2);
  const at::Tensor starts = longs({0, 2});
  const auto expect = [&](const KeyRanges& ranges, const AttentionOptions& options,
                          const std::vector<double>& wanted) {
    test::expect_values(attention({1, 1, 4}, q, k, v, ranges, options), wanted);
  };
  expect(causal_ranges(starts), {}, {4, 0, 0, 0, 7, 0, 0, 0.75});
  // A window of one sees itself.
  expect(causal_ranges(starts, {}, 1), {}, {4, 0, 0, 0, 8, 0, 0, 1});
  // Both see both; the first position's weights are 1 to sqrt(3).
  const double share = std::sqrt(3.0) / (1 + std::sqrt(3.0));
  expect(row_ranges(starts), {}, {4 + 4 * share, 0, 0, share, 7, 0, 0, 0.75});
  // The probability of the second key kept, divided by 1 - p; the mask has the row's longest length
  // in columns for each head.
  expect(row_ranges(starts), {.keep = test::keep({1, 1, 0, 1}).view({2, 2}), .p = 0.5},
         {2 * (4 + 4 * share), 0, 0, 2 * share, 12, 0, 0, 1.5});
}

TEST(Attention, EqualKeysGiveTheRowsMean) {
  Rng rng(12);
  const at::Tensor q = random_tensor({13, 4}, rng, at::kFloat),
                   v = random_tensor({13, 4}, rng, at::kFloat);
  const at::Tensor out =
      attention({2, 2, 2}, q, at::full({13, 4}, 0.5f), v, row_ranges(longs({0, 1, 5, 7, 13})));
  for (int64_t p = 7; p < 13; ++p)
    EXPECT_LT(relative_difference(out[p], v.slice(0, 7, 13).mean(0)), 1e-6);
}

TEST(Attention, RefusesWhatDoesNotFit) {
  Rng rng(10);
  const at::Tensor q = random_tensor({3, 8}, rng), k = random_tensor({3, 4}, rng);
  const AttentionShape shape{2, 1, 4};
  const KeyRanges ranges = causal_ranges(longs({0, 3}));
  EXPECT_NO_THROW(attention(shape, q, k, k, ranges));
  EXPECT_THROW(attention(shape, q, k, k, causal_ranges(longs({0, 2}))), ShapeError);
  EXPECT_THROW(attention(shape, q, q, q, ranges), ShapeError);
  EXPECT_THROW(attention({2, 0, 4}, q, k, k, ranges), ShapeError);
  const at::Tensor keep = at::full({3, 4}, 1, at::kByte);  // of rows of two
  EXPECT_THROW(attention(shape, q, k, k, ranges, {.keep = keep, .p = 0.5}), ShapeError);
  KeyRanges beyond = ranges;  // no builder's
  beyond.end = longs({1, 2, 4});
  EXPECT_THROW(attention(shape, q, k, k, beyond), ShapeError);
}

}  // namespace
}  // namespace tandem::learn
