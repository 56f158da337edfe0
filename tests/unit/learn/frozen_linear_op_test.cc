// SPDX-License-Identifier: Apache-2.0
#include "learn/ops/frozen_linear.h"

#include <ATen/Parallel.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "learn/ops/linear.h"
#include "learn/ops/nf4_weight.h"
#include "unit/learn/op_values.h"

namespace tandem::learn {
namespace {

using test::random_tensor;
using test::relative_difference;

constexpr int64_t kOutputs = 600, kInputs = 576;  // several tiles each way, the last one narrower

struct Case {
  FrozenWeightPtr weight;
  at::Tensor exact;  // float64 of what is stored
};

std::vector<Case> cases(Rng& rng) {
  const at::Tensor w = random_tensor({kOutputs, kInputs}, rng, at::kFloat);
  std::vector<Case> result;
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16})
    result.push_back({dense_weight(w.to(type)), w.to(type).to(at::kDouble)});
  const std::vector<int64_t> shape = {kOutputs, kInputs};
  const Nf4Tensor nf4 = nf4_quantize({w.const_data_ptr<float>(), static_cast<size_t>(w.numel())},
                                     shape, {.double_quant = true});
  at::Tensor values = at::empty({kOutputs, kInputs}, at::kFloat);
  nf4.dequantize(0, nf4.count(), values.data_ptr<float>());
  result.push_back({nf4_weight(nf4), values.to(at::kDouble)});
  return result;
}

struct Products {
  at::Tensor y, dx;
};

Products products(const FrozenWeightPtr& weight, const at::Tensor& x, const at::Tensor& dy) {
  const at::Tensor input = x.detach().clone().set_requires_grad(true);
  const at::Tensor y = frozen_linear(input, weight, {});
  y.backward(dy);
  return {y.detach(), input.grad()};
}

// The form for other devices, here on the CPU. The odd shape has blocks that cross rows and a short
// last one.
TEST(FrozenWeight, MovedHasTheSameBits) {
  Rng rng(2);
  std::vector<FrozenWeightPtr> weights;
  for (const Case& one : cases(rng)) weights.push_back(one.weight);
  const at::Tensor w = random_tensor({7, 45}, rng, at::kFloat);
  const std::vector<int64_t> shape = {7, 45};
  weights.push_back(nf4_weight(nf4_quantize({w.const_data_ptr<float>(), 7 * 45}, shape)));
  for (size_t i = 0; i < weights.size(); ++i) {
    const FrozenWeight& weight = *weights[i];
    const FrozenWeightPtr moved = weight.moved(at::kCPU)->moved(at::kCPU);
    EXPECT_EQ(moved->outputs(), weight.outputs());
    EXPECT_EQ(moved->inputs(), weight.inputs());
    at::Tensor scratch, other;
    for (const auto type : {at::kFloat, at::kBFloat16}) {
      for (const auto& [begin, count] : {std::pair{0, weight.outputs()}, {3, int64_t{1}}, {2, 5}}) {
        SCOPED_TRACE(testing::Message() << "weight " << i << ", rows " << begin << " + " << count);
        EXPECT_TRUE(
            moved->rows(begin, count, type, other).equal(weight.rows(begin, count, type, scratch)));
      }
    }
    const at::Tensor ids = at::tensor({6, 0, 6}, at::kLong);
    EXPECT_TRUE(moved->gather(ids).equal(weight.gather(ids)));
    EXPECT_TRUE(weight.gather(ids)[1].equal(weight.rows(0, 1, at::kFloat, scratch)[0]));
  }
}

TEST(FrozenLinear, TilesEqualTheWholeProductInEveryStorageAndType) {
  Rng rng(1);
  const std::vector<Case> all = cases(rng);
  const at::Tensor x = random_tensor({19, kInputs}, rng), dy = random_tensor({19, kOutputs}, rng);
  for (size_t i = 0; i < all.size(); ++i) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kDouble}) {
      SCOPED_TRACE(testing::Message() << "weight " << i << " in " << c10::toString(type));
      const Products found = products(all[i].weight, x.to(type), dy.to(type));
      EXPECT_EQ(found.y.scalar_type(), type);
      const at::Tensor w = all[i].exact.to(type).to(at::kDouble);
      const at::Tensor y = at::matmul(x.to(type).to(at::kDouble), w.t()),
                       dx = at::matmul(dy.to(type).to(at::kDouble), w);
      // Float32 sums of 600 products; a result rounded to 8 bits; NF4 in float64 is made of
      // float32.
      const double limit = type == at::kBFloat16 ? 4e-3 : type == at::kFloat ? 2e-6 : 1e-12;
      EXPECT_LT(relative_difference(found.y, y), limit);
      EXPECT_LT(relative_difference(found.dx, dx), limit);
    }
  }
}

TEST(FrozenLinear, TheBitsDoNotDependOnTheNumberOfThreads) {
  Rng rng(2);
  const int threads = at::get_num_threads();
  for (const Case& one_case : cases(rng)) {
    const at::Tensor x = random_tensor({33, kInputs}, rng, at::kFloat);
    const at::Tensor dy = random_tensor({33, kOutputs}, rng, at::kFloat);
    at::set_num_threads(1);
    const Products one = products(one_case.weight, x, dy);
    at::set_num_threads(2);
    const Products two = products(one_case.weight, x, dy);
    EXPECT_TRUE(one.y.equal(two.y));
    EXPECT_TRUE(one.dx.equal(two.dx));
  }
  at::set_num_threads(threads);
}

TEST(FrozenLinear, EqualsLinearInEveryStorage) {
  Rng rng(13);
  const at::Tensor x = random_tensor({9, 40}, rng, at::kFloat);
  const at::Tensor bias = random_tensor({30}, rng, at::kFloat);
  for (const at::ScalarType storage : {at::kFloat, at::kHalf, at::kBFloat16}) {
    const at::Tensor stored = random_tensor({30, 40}, rng, at::kFloat).to(storage);
    const FrozenWeightPtr frozen = dense_weight(stored);
    test::expect_same([&](const auto& in) { return frozen_linear(in[0], frozen, in[1]); },
                      [&](const auto& in) { return linear(in[0], stored.to(at::kDouble), in[1]); },
                      {x, bias}, rng, test::kFloatLimit);
  }
}

}  // namespace
}  // namespace tandem::learn
