// SPDX-License-Identifier: Apache-2.0
// What a retriever is trained on: whose sequences, cut how, and that the cut of a step into parts
// changes nothing.
#include "learn/retriever/retriever_task.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <set>
#include <vector>

#include "core/error.h"
#include "learn/retriever/model_factory.h"
#include "support/ranker_world.h"
#include "unit/learn/op_gradient.h"

namespace tandem::learn {
namespace {

class OpenTask : public RetrieverTask {
 public:
  using RetrieverTask::examples;
  using RetrieverTask::RetrieverTask;
};

std::vector<int64_t> all_samples(const TrainingTask& task) {
  std::vector<int64_t> samples(task.num_samples());
  std::iota(samples.begin(), samples.end(), int64_t{0});
  return samples;
}

class RetrieverTaskTest : public testing::Test {
 protected:
  OpenTask task(const char* type) {
    config_.model_type = type;
    config_.width = 8;
    config_.blocks = 1;
    config_.max_length = 50;
    config_.resolve(dataset_);
    model_ = make_retriever(config_, dataset_.num_items(), "cpu");
    objective_ = make_objective(config_, dataset_.num_items());
    return {*model_, *objective_, dataset_, config_};
  }

  test::TemporaryFolder folder_;
  Dataset dataset_ = test::tiny_dataset(folder_);
  RetrieverConfig config_;
  std::unique_ptr<Retriever> model_;
  std::unique_ptr<TrainingObjective> objective_;
};

// Every label is a training item; the two held-out items of a user are none of them.
TEST_F(RetrieverTaskTest, TrainsOnTheTrainingItemsOfEachUserInOrder) {
  const OpenTask task = this->task("lrurec");
  const auto examples = task.examples(all_samples(task), 0);
  ASSERT_EQ(std::ssize(examples), dataset_.num_users());
  for (int64_t user = 0; user < dataset_.num_users(); ++user) {
    const auto items = train_items(dataset_, user);
    EXPECT_EQ(std::ssize(items), 1 + user % 7);
    EXPECT_EQ(examples[user].labels, std::vector<int64_t>(items.begin(), items.end()));
    EXPECT_EQ(task.length(user), std::ssize(items));
  }
  EXPECT_EQ(task.label(), "train");
  EXPECT_EQ(task.fingerprint(), dataset_.fingerprint());
}

TEST_F(RetrieverTaskTest, AFoldTrainsWithoutItsUsers) {
  config_.folds.count = 5;
  for (int64_t left_out = 0; left_out < 5; ++left_out) {
    SCOPED_TRACE(left_out);
    config_.folds.left_out = left_out;
    const OpenTask task = this->task("lrurec");
    std::vector<std::vector<int64_t>> want, found;
    for (int64_t user = 0; user < dataset_.num_users(); ++user) {
      const auto items = train_items(dataset_, user);
      if (user % 5 != left_out) want.emplace_back(items.begin(), items.end());
    }
    for (const TrainingExample& example : task.examples(all_samples(task), 0))
      found.push_back(example.labels);
    EXPECT_EQ(found, want);
    EXPECT_EQ(task.validated_on(), fmt::format("{} users", want.size()));
    EXPECT_EQ(task.label(), fmt::format("train fold {} of 5", left_out + 1));
    EXPECT_EQ(task.fingerprint(),
              fmt::format("{} without fold {} of 5", dataset_.fingerprint(), left_out));
  }
}

// Dropout and cloze draw by a sample's place in the whole step.
TEST_F(RetrieverTaskTest, PartsAddUpToTheStep) {
  for (const char* type : {"lrurec", "sasrec", "narm", "bert4rec", "hstu", "llmid"}) {
    SCOPED_TRACE(type);
    config_.dropout = config_.attn_dropout = 0.5;
    const OpenTask task = this->task(type);
    std::vector<int64_t> samples = all_samples(task);
    std::reverse(samples.begin(), samples.end());
    samples.resize(9);
    const auto gradients = [&](std::vector<int64_t> cuts) {
      double loss = 0;
      const auto all = static_cast<double>(task.num_labels(samples, 3));
      for (size_t i = 0; i + 1 < cuts.size(); ++i) {
        const StepPart part{
            .samples = samples, .begin = cuts[i], .end = cuts[i + 1], .epoch = 3, .step = 4};
        const auto own = static_cast<double>(task.num_labels(part.own(), 3));
        if (own > 0) loss += task.add_gradients(part, own / all);
      }
      std::vector<at::Tensor> found;
      for (const NamedParameter& parameter : model_->parameters()) {
        found.push_back(parameter.value.grad().clone());
        parameter.value.mutable_grad().reset();
      }
      return std::pair(loss, found);
    };
    const auto [loss, whole] = gradients({0, 9});
    const auto [part_loss, parts] = gradients({0, 2, 3, 7, 9});
    EXPECT_NEAR(loss, part_loss, 1e-5 * loss);
    test::expect_all_close(parts, whole, 1e-4);
  }
}

}  // namespace
}  // namespace tandem::learn
