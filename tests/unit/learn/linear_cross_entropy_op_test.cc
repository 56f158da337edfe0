// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/linear_cross_entropy.h"

#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>

#include <cmath>

#include "core/error.h"
#include "unit/learn/op_values.h"

namespace tandem::learn {
namespace {

using test::random_tensor;

struct Case {
  at::Tensor hidden, table, bias, labels;
};

// Every fourth label is 0 when some_unlabelled.
Case make_case(int64_t positions, int64_t items, int64_t width, bool some_unlabelled) {
  Rng rng(5);
  std::vector<int64_t> labels;
  for (int64_t p = 0; p < positions; ++p) {
    labels.push_back(
        some_unlabelled && p % 4 == 1 ? 0 : 1 + static_cast<int64_t>(rng.below(items - 1)));
  }
  Case c{random_tensor({positions, width}, rng), random_tensor({items, width}, rng),
         random_tensor({items}, rng), at::tensor(labels)};
  return c;
}

std::vector<at::Tensor> gradients(const Case& c, at::ScalarType type, bool reference,
                                  double upstream, at::Tensor* loss) {
  std::vector<at::Tensor> inputs;
  for (const at::Tensor& x : {c.hidden, c.table, c.bias})
    inputs.push_back(x.to(type, false, true).set_requires_grad(true));
  *loss = reference ? linear_cross_entropy_reference(inputs[0], inputs[1], inputs[2], c.labels)
                    : linear_cross_entropy(inputs[0], inputs[1], inputs[2], c.labels);
  (*loss * upstream).backward();
  return {inputs[0].grad(), inputs[1].grad(), inputs[2].grad()};
}

TEST(LinearCrossEntropy, OfEqualScoresIsTheLogarithmOfTheirNumber) {
  const at::Tensor loss = linear_cross_entropy(
      at::tensor({1.0f, 2.0f}).view({2, 1}), at::tensor({0.0f, 0.0f, 0.0f}).view({3, 1}),
      at::tensor({7.0f, 7.0f, 7.0f}), at::tensor({2, 0}, at::kLong));
  EXPECT_NEAR(loss.item<double>(), std::log(3.0), 1e-7);
}

// The reference runs in double; float32 leaves about 1e-6 of the largest gradient.
TEST(LinearCrossEntropy, LossAndGradientsEqualTheReferenceInDouble) {
  for (const auto& [positions, items, width, some] : {std::tuple{1, 2, 1, false},
                                                      {5, 511, 3, true},
                                                      {70, 513, 8, false},
                                                      {33, 1100, 64, true},
                                                      {700, 1300, 16, true}}) {
    SCOPED_TRACE(items);
    const Case c = make_case(positions, items, width, some);
    at::Tensor loss, wanted_loss;
    const auto found = gradients(c, at::kFloat, false, 2.5, &loss);
    const auto wanted = gradients(c, at::kDouble, true, 2.5, &wanted_loss);
    EXPECT_NEAR(loss.item<double>(), wanted_loss.item<double>(),
                2e-6 * std::max(1.0, wanted_loss.item<double>()));
    for (size_t i = 0; i < 3; ++i)
      EXPECT_LT(test::relative_difference(found[i], wanted[i]), 3e-6) << "input " << i;
  }
}

TEST(LinearCrossEntropy, StaysFiniteForScoresBeyondTheRangeOfExp) {
  Case c = make_case(9, 600, 4, false);
  c.bias.mul_(1000);
  at::Tensor loss, wanted_loss;
  const auto found = gradients(c, at::kFloat, false, 1, &loss);
  const auto wanted = gradients(c, at::kDouble, true, 1, &wanted_loss);
  EXPECT_NEAR(loss.item<double>() / wanted_loss.item<double>(), 1, 1e-6);
  EXPECT_LT(test::relative_difference(found[1], wanted[1]), 1e-3);
}

TEST(LinearCrossEntropy, WithoutLabelsIsZeroWithZeroGradients) {
  Case c = make_case(4, 20, 3, false);
  c.labels.zero_();
  for (const bool reference : {false, true}) {
    at::Tensor loss;
    for (const at::Tensor& gradient : gradients(c, at::kFloat, reference, 1, &loss))
      EXPECT_EQ(gradient.abs().max().item<float>(), 0);
    EXPECT_EQ(loss.item<float>(), 0);
  }
}

TEST(LinearCrossEntropy, ThreadsDoNotChangeBits) {
  const Case c = make_case(300, 5000, 16, true);
  const int before = at::get_num_threads();
  at::Tensor loss[2];
  at::set_num_threads(1);
  const auto one = gradients(c, at::kFloat, false, 1, &loss[0]);
  at::set_num_threads(2);
  const auto two = gradients(c, at::kFloat, false, 1, &loss[1]);
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(loss[0], loss[1]));
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(at::equal(one[i], two[i])) << "input " << i;
}

TEST(LinearCrossEntropy, RefusesLabelsOutsideTheTable) {
  Case c = make_case(4, 20, 3, false);
  const auto run = [&] {
    return linear_cross_entropy(c.hidden.to(at::kFloat), c.table.to(at::kFloat),
                                c.bias.to(at::kFloat), c.labels);
  };
  c.labels[2] = 20;
  EXPECT_THROW(run(), DataError);
  c.labels[2] = -1;
  EXPECT_THROW(run(), DataError);
}

// Numbers worked out on paper.
TEST(LinearCrossEntropy, ByHand) {
  // Scores 0 and ln 3 (times the state). Item 0 is padding: a position without a label costs
  // nothing and does not count.
  const auto ln3 = static_cast<float>(std::log(3.0));
  const at::Tensor table = test::matrix({0, ln3}, 2);
  test::expect_values(linear_cross_entropy(test::matrix({1, 1, 1}, 3), table,
                                           at::tensor({0.0f, 0.0f}), test::longs({1, 0, 1})),
                      {std::log(4.0 / 3)});
  // The bias is added to the scores: ln 3 + ln 3 against 0, 9 to 1.
  test::expect_values(
      linear_cross_entropy(test::matrix({1}, 1), table, at::tensor({0.0f, ln3}), test::longs({1})),
      {std::log(10.0 / 9)});
}

}  // namespace
}  // namespace tandem::learn
