// SPDX-License-Identifier: Apache-2.0
// A retriever trained by contrast: what a step is, and that its cut into parts changes nothing.
#include "learn/retriever/nce_task.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <numeric>

#include "core/error.h"
#include "formats/safetensors.h"
#include "learn/retriever/model_factory.h"
#include "models/retriever_weights.h"
#include "support/ranker_world.h"
#include "unit/learn/op_gradient.h"

namespace tandem::learn {
namespace {

class NceTaskTest : public testing::TestWithParam<const char*> {
 protected:
  NceTaskTest() {
    config_.model_type = GetParam();
    config_.loss = RetrieverLoss::kNce;
    config_.width = 8;
    config_.blocks = 1;
    config_.max_length = 5;
    config_.dropout = config_.attn_dropout = 0.5;
  }
  std::unique_ptr<NceTask> task() {
    config_.relative_bias = config_.model_type == "hstu";
    config_.resolve(dataset_);
    model_ = make_retriever(config_, dataset_.num_items(), "cpu");
    objective_ = make_objective(config_, dataset_.num_items());
    return std::make_unique<NceTask>(*model_, *objective_, dataset_, config_);
  }

  test::TemporaryFolder folder_;
  Dataset dataset_ = test::tiny_dataset(folder_);
  RetrieverConfig config_;
  std::unique_ptr<Retriever> model_;
  std::unique_ptr<TrainingObjective> objective_;
};

INSTANTIATE_TEST_SUITE_P(Models, NceTaskTest, testing::Values("sasrec", "hstu", "llmid"),
                         [](const auto& model) { return std::string(model.param); });

// Of a step in so many parts one after the other: loss, figures, and all gradients.
std::vector<at::Tensor> step_of(const NceTask& task, int64_t parts) {
  std::vector<int64_t> samples(task.num_samples());
  std::iota(samples.begin(), samples.end(), int64_t{0});
  const StepShare share = task.add_share({.samples = samples,
                                          .labels = task.num_labels(samples, 2),
                                          .epoch = 2,
                                          .number = 3,
                                          .accumulate = parts},
                                         alone());
  std::vector<at::Tensor> found{at::full({}, share.loss, at::kDouble)};
  for (const auto& [name, value] : share.figures) found.push_back(at::full({}, value, at::kDouble));
  for (const NamedParameter& parameter : task.parameters()) {
    if (!parameter.value.grad().defined()) continue;
    found.push_back(parameter.value.grad().clone());
    parameter.value.mutable_grad().reset();
  }
  return found;
}

// All positions see the negatives of all rows of the step, or their own, however it is cut.
TEST_P(NceTaskTest, PartsAddUpToTheStep) {
  for (const bool own : {false, true}) {
    SCOPED_TRACE(own);
    config_.nce.own = own;
    config_.nce.negatives = own ? 3 : 0;
    const auto task = this->task();
    test::expect_all_close(step_of(*task, 4), step_of(*task, 1), 1e-4);
  }
}

TEST_P(NceTaskTest, TheTemperatureIsAParameterUnlessItIsFixed) {
  const auto learned = task();
  EXPECT_EQ(learned->parameters().back().name, "logit_scale");
  EXPECT_NEAR(learned->parameters().back().value.item<double>(), std::log(1 / 0.07), 1e-6);
  config_.nce.fixed_scale = 20;
  const auto fixed = task();
  EXPECT_NE(fixed->parameters().back().name, "logit_scale");
}

TEST_P(NceTaskTest, CollapsedItemsStopTheTraining) {
  config_.nce.by_id = false;
  const auto task = this->task();
  {
    at::NoGradGuard no_grad;
    model_->parameters()[0].value.detach().fill_(1);
  }
  std::vector<int64_t> samples(task->num_samples());
  std::iota(samples.begin(), samples.end(), int64_t{0});
  const StepShare share =
      task->add_share({.samples = samples, .labels = task->num_labels(samples, 0)}, alone());
  EXPECT_EQ(share.loss, 0);
  EXPECT_THROW(task->check_figures(share), Error);
}

TEST_P(NceTaskTest, TheRunSaysThatScoresAreCosines) {
  const auto task = this->task();
  task->write_model(folder_.path(), task->parameters());
  const RetrieverWeights weights = RetrieverWeights::open(folder_.path());
  EXPECT_EQ(weights.config().similarity, Similarity::kCosine);
  EXPECT_TRUE(SafetensorsFile(folder_ / "model.safetensors").contains("logit_scale"));
}

TEST(NceConfig, IsForModelsOfCosinesAlone) {
  const test::TemporaryFolder folder;
  const Dataset dataset = test::tiny_dataset(folder);
  RetrieverConfig config;
  config.loss = RetrieverLoss::kNce;
  EXPECT_THROW(config.resolve(dataset), ConfigError);
  config.model_type = "hstu";
  config.nce.own = true;
  EXPECT_THROW(config.resolve(dataset), ConfigError);  // how many?
  config.nce.negatives = 4;
  config.resolve(dataset);
  RetrieverConfig defaults;
  defaults.resolve(dataset);
  EXPECT_EQ(defaults.loss, RetrieverLoss::kSoftmax);
}

}  // namespace
}  // namespace tandem::learn
