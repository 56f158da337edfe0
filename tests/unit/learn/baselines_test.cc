// SPDX-License-Identifier: Apache-2.0
// NARM and BERT4Rec: parameters, properties that hold for every user, training.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <memory>

#include "core/error.h"
#include "learn/bert4rec/bert4rec.h"
#include "learn/narm/narm.h"
#include "learn/optim/adamw.h"
#include "learn/retriever/model_factory.h"
#include "models/retriever_config.h"
#include "unit/learn/op_gradient.h"

namespace tandem::learn {
namespace {

using Rows = std::vector<std::vector<int64_t>>;

RetrieverConfig config_of(const std::string& type) {
  RetrieverConfig config;
  config.model_type = type;
  config.width = 12;
  config.heads = 3;
  config.inner = 4;
  config.max_length = 6;
  return config;
}

class Baseline : public testing::TestWithParam<const char*> {
 protected:
  RetrieverConfig config_ = config_of(GetParam());
  std::unique_ptr<Retriever> model_ = make_retriever(config_, 40, "cpu");
  std::unique_ptr<TrainingObjective> objective_ = make_objective(config_, 40);

  at::Tensor answers(const Rows& rows) const {
    at::NoGradGuard no_grad;
    return model_->hidden(pack_questions(rows), nullptr);
  }
};

INSTANTIATE_TEST_SUITE_P(Models, Baseline, testing::Values("narm", "bert4rec"),
                         [](const auto& model) { return std::string(model.param); });

TEST_P(Baseline, HasTheParametersThatTheEngineExpects) {
  const RetrieverModelConfig shape{.model_type = GetParam(),
                                   .num_items = 40,
                                   .width = 12,
                                   .blocks = 2,
                                   .heads = 3,
                                   .inner = 4,
                                   .max_length = 6};
  const std::vector<TensorSpec> specs = retriever_parameters(shape);
  const std::vector<NamedParameter> parameters = model_->parameters();
  ASSERT_EQ(parameters.size(), specs.size());
  for (size_t i = 0; i < specs.size(); ++i) {
    EXPECT_EQ(parameters[i].name, specs[i].name);
    EXPECT_EQ(parameters[i].value.sizes().vec(), specs[i].shape) << specs[i].name;
    EXPECT_TRUE(parameters[i].value.is_leaf() && parameters[i].value.requires_grad());
    EXPECT_EQ(model_->decayed(specs[i].name), specs[i].name.find("bias") == std::string::npos &&
                                                  specs[i].name.find("_norm") == std::string::npos);
  }
}

TEST_P(Baseline, ABatchOfManyEqualsManyBatchesOfOne) {
  const Rows rows{{3, 4, 5}, {9}, {1, 2, 3, 4, 5, 6}, {7, 7}};
  const at::Tensor all = answers(rows);
  for (size_t i = 0; i < rows.size(); ++i)
    EXPECT_LT(test::relative_difference(answers({rows[i]})[0], all[static_cast<int64_t>(i)]), 2e-6);
  EXPECT_GT(test::relative_difference(answers({{4, 3, 5}})[0], all[0]), 1e-4);  // order matters
}

// What is wanted is only a choice of rows, in dropout too.
TEST_P(Baseline, WantedPositionsAreThoseOfAll) {
  PackedBatch batch = pack_questions(Rows{{3, 4, 5}, {9}, {1, 2, 3, 4, 5, 6}});
  const DropoutRng dropout(1, 2);
  batch.wanted = at::Tensor();
  const at::Tensor all = model_->hidden(batch, &dropout);
  ASSERT_EQ(all.size(0), 10);
  batch.wanted = at::tensor({1, 3, 8}, at::kLong);
  EXPECT_LT(test::relative_difference(model_->hidden(batch, &dropout), batch.at_wanted(all)), 1e-6);
  EXPECT_GT(test::relative_difference(model_->hidden(batch, nullptr), batch.at_wanted(all)), 1e-3);
}

TEST_P(Baseline, LearnsASequenceByHeart) {
  at::set_num_threads(1);  // tensors of a few numbers
  const std::vector<int32_t> items{5, 9, 2, 31, 17};
  const std::vector<TrainingRow> rows = objective_->rows(items);
  AdamW optimizer(model_->parameters(), {.weight_decay = 0},
                  [](std::string_view) { return false; });
  for (int64_t epoch = 0; epoch < 120; ++epoch) {
    std::vector<TrainingExample> examples;
    for (size_t i = 0; i < rows.size(); ++i)
      examples.push_back(objective_->example(rows[i], static_cast<int64_t>(i), epoch));
    const PackedBatch batch = pack(examples);
    if (batch.wanted.defined() && batch.wanted.numel() == 0) continue;
    optimizer.zero_gradients();
    retriever_loss(*model_, batch, nullptr).backward();
    optimizer.step(0.02);
  }
  at::NoGradGuard no_grad;
  const std::span<const int32_t> history = std::span(items).first(4);
  const at::Tensor hidden = answers({objective_->question(history)});
  const at::Tensor scores = at::addmm(model_->item_bias(), hidden, model_->item_table().t());
  EXPECT_EQ(scores.argmax().item<int64_t>(), 17);
}

TEST(Narm, LaterItemsAreNotSeen) {
  at::NoGradGuard no_grad;
  const Narm model({.num_items = 40, .width = 12}, 3);
  PackedBatch a = pack_questions(Rows{{3, 4, 5, 6}}), b = pack_questions(Rows{{3, 4, 8, 9}});
  a.wanted = b.wanted = at::Tensor();
  const at::Tensor from_a = model.hidden(a, nullptr), from_b = model.hidden(b, nullptr);
  EXPECT_TRUE(at::equal(from_a.slice(0, 0, 2), from_b.slice(0, 0, 2)));
  EXPECT_FALSE(at::equal(from_a[2], from_b[2]));
}

TEST(Bert4Rec, EveryPositionSeesItsRowAndNoOther) {
  at::NoGradGuard no_grad;
  const Bert4Rec model({.num_items = 40, .width = 12, .max_length = 6}, 3);
  PackedBatch a = pack_questions(Rows{{3, 4, 5, 6}, {1, 2}}),
              b = pack_questions(Rows{{3, 4, 5, 9}, {1, 2}});
  a.wanted = b.wanted = at::Tensor();
  const at::Tensor from_a = model.hidden(a, nullptr), from_b = model.hidden(b, nullptr);
  EXPECT_FALSE(at::equal(from_a[0], from_b[0]));
  EXPECT_TRUE(at::equal(from_a.slice(0, 4), from_b.slice(0, 4)));
  EXPECT_THROW(model.hidden(pack_questions(Rows{{1, 2, 3, 4, 5, 6, 7}}), nullptr), ShapeError);
}

TEST(Bert4Rec, StartsAsItsReference) {
  const Bert4Rec model({.num_items = 500, .width = 64}, 3);
  const at::Tensor table = model.item_table().detach();
  EXPECT_EQ(table.size(0), 502);
  EXPECT_EQ(table[0].abs().max().item<double>(), 0);
  EXPECT_NEAR(table.slice(0, 1).std().item<double>(), 1, 0.02);
  EXPECT_LE(model.item_bias().abs().max().item<double>(), 0.04 + 1e-9);
}

TEST(Baselines, RefuseBrokenSettings) {
  EXPECT_THROW(Narm({.num_items = 0}, 1), ConfigError);
  EXPECT_THROW(Narm({.num_items = 5, .dropout = 1.0}, 1), ConfigError);
  EXPECT_THROW(Bert4Rec({.num_items = 5, .width = 10, .heads = 3}, 1), ConfigError);
  EXPECT_THROW(Bert4Rec({.num_items = 5, .max_length = 0}, 1), ConfigError);
}

}  // namespace
}  // namespace tandem::learn
