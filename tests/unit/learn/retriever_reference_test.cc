// SPDX-License-Identifier: Apache-2.0
// Every trainable retriever against plain loops in double: scores, loss and gradients.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <numbers>

#include "core/rng.h"
#include "learn/parameter_init.h"
#include "learn/retriever/model_factory.h"
#include "support/retriever_reference.h"

namespace tandem::learn {
namespace {

using test::RetrieverReference;
using Rows = std::vector<std::vector<int64_t>>;

constexpr int64_t kItems = 20;

struct Pair {
  explicit Pair(const std::string& type) : reference{type, kItems, 8, 2, 2, 6, {}} {
    RetrieverConfig config;
    config.model_type = type;
    config.width = 8;
    config.blocks = 2;
    config.heads = 2;
    config.inner = 2;
    config.max_length = 6;
    model = make_retriever(config, kItems, "cpu");
    // Fresh weights are 0.02 wide; these let every term show.
    at::NoGradGuard no_grad;
    Rng rng(9);
    for (const NamedParameter& parameter : model->parameters()) {
      float* values = parameter.value.data_ptr<float>();
      for (int64_t i = 0; i < parameter.value.numel(); ++i)
        values[i] += static_cast<float>(0.2 * rng.normal());
      reference.weights[parameter.name].assign(values, values + parameter.value.numel());
    }
  }

  RetrieverReference reference;
  std::unique_ptr<Retriever> model;
};

class RetrieverReferenceTest : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Models, RetrieverReferenceTest,
                         testing::Values("lrurec", "sasrec", "narm", "bert4rec", "hstu"),
                         [](const auto& model) { return std::string(model.param); });

TEST_P(RetrieverReferenceTest, ScoresEqualPlainLoops) {
  const Pair pair(GetParam());
  Rows rows{{3, 4, 5}, {9}, {1, 2, 3, 4, 5, 6}, {7, 7}};
  if (pair.reference.type == "lrurec") rows.push_back({0, 4, 0, 6});  // in front and inside
  if (pair.reference.type == "sasrec" || pair.reference.type == "hstu")
    rows.push_back({0, 0, 4, 6});  // in front only
  at::NoGradGuard no_grad;
  const at::Tensor hidden = pair.model->hidden(pack_questions(rows), nullptr);
  const at::Tensor scores =
      at::addmm(pair.model->item_bias(), hidden, pair.model->item_table().t()).contiguous();
  for (size_t r = 0; r < rows.size(); ++r) {
    const auto wanted = pair.reference.scores(rows[r]);
    ASSERT_EQ(scores.size(1), std::ssize(wanted));
    for (size_t item = 0; item < wanted.size(); ++item)
      EXPECT_NEAR(scores.const_data_ptr<float>()[r * wanted.size() + item], wanted[item], 2e-5)
          << "row " << r << ", item " << item;
  }
}

// Mean cross-entropy of two labelled rows; the third has no label and costs nothing.
TEST_P(RetrieverReferenceTest, LossAndGradientsEqualDifferencesOfPlainLoops) {
  Pair pair(GetParam());
  PackedBatch batch = pack_questions(Rows{{3, 4, 5}, {1, 2, 3, 4, 5, 6}, {7, 8}});
  batch.wanted = at::Tensor();
  batch.labels = at::tensor({0, 0, 9, 0, 0, 0, 0, 0, 20, 0, 0}, at::kLong);
  const auto loss_of = [](const RetrieverReference& reference) {
    double loss = 0;
    for (const auto& [row, label] :
         {std::pair{std::vector<int64_t>{3, 4, 5}, 9}, {{1, 2, 3, 4, 5, 6}, 20}}) {
      const auto scores = reference.scores(row);
      double sum = 0;
      for (const double score : scores) sum += std::exp(score);
      loss += (std::log(sum) - scores[label]) / 2;
    }
    return loss;
  };
  const at::Tensor loss = retriever_loss(*pair.model, batch, nullptr);
  EXPECT_NEAR(loss.item<double>(), loss_of(pair.reference), 1e-5);
  loss.backward();
  Rng rng(4);
  for (const NamedParameter& parameter : pair.model->parameters()) {
    const at::Tensor gradient = parameter.value.grad().contiguous();
    const float* found = gradient.const_data_ptr<float>();
    auto& values = pair.reference.weights.at(parameter.name);
    const float* largest = std::max_element(found, found + gradient.numel(), [](float a, float b) {
      return std::abs(a) < std::abs(b);
    });
    for (const int64_t entry : {largest - found, static_cast<int64_t>(rng.below(values.size())),
                                static_cast<int64_t>(rng.below(values.size()))}) {
      constexpr double kStep = 1e-4;
      const double before = values[entry];
      values[entry] = before + kStep;
      const double above = loss_of(pair.reference);
      values[entry] = before - kStep;
      const double below = loss_of(pair.reference);
      values[entry] = before;
      EXPECT_NEAR(found[entry], (above - below) / (2 * kStep), 1e-4 * std::abs(*largest) + 1e-6)
          << parameter.name << ", entry " << entry;
    }
  }
}

// |lambda|^2 is uniform on [0.64, 0.9801], the angle on the circle: the first two moments, within
// five deviations of 40,000 draws.
TEST(LruRecInit, TheRingIsUniformByAreaAndAngle) {
  const at::Tensor log = ParameterInit(3).ring("ring", 40000).to(at::kDouble);
  const at::Tensor squared = (log[0].exp() * -2).exp(), angle = log[1].exp();
  const double width = 0.9801 - 0.64;
  EXPECT_NEAR(squared.mean().item<double>(), 0.81005, 5 * width / std::sqrt(12 * 40000.0));
  EXPECT_NEAR((squared - 0.81005).pow(2).mean().item<double>(), width * width / 12, 3e-4);
  EXPECT_GE(squared.min().item<double>(), 0.64 - 1e-6);
  EXPECT_LE(squared.max().item<double>(), 0.9801 + 1e-6);
  EXPECT_NEAR(angle.mean().item<double>(), std::numbers::pi, 0.05);
  EXPECT_LE(angle.max().item<double>(), 2 * std::numbers::pi + 1e-5);
  EXPECT_GE(angle.max().item<double>(), 2 * std::numbers::pi - 1e-2);
  EXPECT_LE(angle.min().item<double>(), 1e-2);
  // gamma = sqrt(1 - |lambda|^2)
  EXPECT_LT(((log[2] * 2).exp() + squared - 1).abs().max().item<double>(), 1e-5);
}

}  // namespace
}  // namespace tandem::learn
