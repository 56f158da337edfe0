// SPDX-License-Identifier: Apache-2.0
// The training loop on a task of one number, and what Llama tasks share.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <vector>

#include "core/error.h"
#include "learn/trainer/llama_task.h"
#include "learn/trainer/trainer.h"
#include "unit/eval/temporary_folder.h"

namespace tandem {
namespace {

// Samples 0..9; the loss of a part is the mean of (w - sample)^2, so w goes to 4.5. Validation
// gives the next of some values.
class MeanTask : public TrainingTask {
 public:
  explicit MeanTask(std::vector<double> values = {}, bool lower = false)
      : weight_(at::full({1}, 10.0f)), values_(std::move(values)), lower_(lower) {
    weight_.set_requires_grad(true);
  }

  std::vector<NamedParameter> parameters() const override { return {{"w", weight_}}; }
  bool decayed(std::string_view) const override { return false; }
  std::string fingerprint() const override { return "ten numbers"; }
  int64_t num_samples() const override { return 10; }
  int64_t num_labels(std::span<const int64_t> samples, int64_t) const override {
    return std::ssize(samples);
  }
  double add_gradients(const StepPart& part, double weight) const override {
    at::Tensor loss = at::full({1}, 0.0f);
    for (const int64_t sample : part.own())
      loss = loss + (weight_ - static_cast<double>(sample)).pow(2);
    loss = loss.sum() * (weight / static_cast<double>(part.own().size()));
    loss.backward();
    return loss.item<double>();
  }
  bool lower_is_better() const override { return lower_; }
  ValidationResult validate(ProcessGroup&, ThreadPool&) const override {
    seen_.push_back(weight_.item<double>());
    const double value = values_.empty() ? 0 : values_[std::min(seen_.size(), values_.size()) - 1];
    return {.value = value, .metrics = {{"value", value}}};
  }
  void write_model(const fs::path&, std::span<const NamedParameter>) const override {}

  double weight() const { return weight_.item<double>(); }
  const std::vector<double>& seen() const { return seen_; }

 private:
  at::Tensor weight_;
  std::vector<double> values_;
  bool lower_;
  mutable std::vector<double> seen_;  // the weight at each validation
};

TrainOptions options() {
  TrainOptions options;
  options.lr = 0.5;
  options.weight_decay = 0;
  options.clip = 0;
  options.batch = 5;
  options.epochs = 100;
  options.valid_every = 2;
  options.patience = 0;
  options.metric = "value";
  return options;
}

TEST(Trainer, GoesToTheMinimum) {
  MeanTask task;
  ThreadPool pool(1);
  TrainOptions all = options();
  all.batch = 10;
  all.schedule = "linear";
  Trainer trainer(task, all, nullptr, world(), pool);
  EXPECT_EQ(trainer.total_steps(), 100);
  trainer.time_steps(100);
  EXPECT_NEAR(task.weight(), 4.5, 0.1);
}

TEST(Trainer, StopsEarlyWithTheBestParameters) {
  for (const bool lower : {false, true}) {
    SCOPED_TRACE(lower);
    std::vector<double> values{1, 2, 5, 4, 3, 9};  // steps 0, 2, 4, 6, 8
    if (lower)
      for (double& value : values) value = -value;
    MeanTask task(values, lower);
    ThreadPool pool(1);
    TrainOptions stopping = options();
    stopping.patience = 2;
    Trainer trainer(task, stopping, nullptr, world(), pool);
    trainer.run();
    EXPECT_TRUE(trainer.state().stopped);
    EXPECT_EQ(trainer.state().step, 8);
    EXPECT_EQ(trainer.state().best_step, 4);
    EXPECT_EQ(trainer.state().best, lower ? -5 : 5);
    ASSERT_EQ(task.seen().size(), 5u);
    EXPECT_EQ(task.weight(), task.seen()[2]);
    EXPECT_NE(task.weight(), task.seen()[4]);
  }
}

TEST(Trainer, AccumulationChangesRoundingAlone) {
  MeanTask whole, parts;
  ThreadPool pool(1);
  TrainOptions small = options();
  small.batch = 1;
  small.accumulate = 5;
  const TrainOptions large = options();
  Trainer(whole, large, nullptr, world(), pool).time_steps(20);
  Trainer(parts, small, nullptr, world(), pool).time_steps(20);
  EXPECT_NEAR(whole.weight(), parts.weight(), 1e-4);
  EXPECT_GT(std::abs(whole.weight() - 10), 1);
}

// A cloze may hide nothing in any row of a step.
TEST(Trainer, AStepWithoutLabelsChangesNothing) {
  struct Unlabelled : MeanTask {
    int64_t num_labels(std::span<const int64_t>, int64_t) const override { return 0; }
    double add_gradients(const StepPart&, double) const override {
      ADD_FAILURE() << "no gradient to add";
      return 0;
    }
  } task;
  ThreadPool pool(1);
  const TrainOptions all = options();
  Trainer(task, all, nullptr, world(), pool).time_steps(3);
  EXPECT_EQ(task.weight(), 10);
}

TEST(Trainer, AResumedRunEndsWithTheSameBits) {
  const test::TemporaryFolder folder;
  ThreadPool pool(1);
  const RunInfo info{.verb = "test", .dataset_fingerprint = "", .extra = Json::object()};
  TrainOptions steps = options();
  steps.max_steps = 20;
  MeanTask whole;
  Trainer(whole, steps, nullptr, world(), pool).run();

  steps.max_steps = 7;
  RunFolder run = RunFolder::create(folder / "run", info, "");
  MeanTask first, second;
  Trainer(first, steps, &run, world(), pool).run();
  steps.max_steps = 20;
  Trainer resumed(second, steps, &run, world(), pool);
  resumed.resume(folder / "run");
  EXPECT_EQ(resumed.state().step, 7);
  resumed.run();
  // Validation says 0 at all steps, so the best parameters are the first: compare the last
  // validation's.
  EXPECT_EQ(whole.seen().back(), second.seen().back());
  EXPECT_NE(whole.seen().back(), whole.seen().front());
}

SupervisedText text_of(int64_t tokens, std::vector<int64_t> positions) {
  SupervisedText text;
  text.ids.assign(static_cast<size_t>(tokens), 7);
  text.positions = positions;
  text.labels.assign(positions.size(), 3);
  return text;
}

TEST(PackTexts, PositionsMoveBehindTheTextsBefore) {
  const SupervisedText texts[] = {text_of(4, {2, 3}), text_of(2, {1})};
  const SupervisedBatch batch = pack_texts(texts);
  const auto values = [](const at::Tensor& tensor) {
    const int64_t* data = tensor.const_data_ptr<int64_t>();
    return std::vector<int64_t>(data, data + tensor.numel());
  };
  EXPECT_EQ(values(batch.packed.row_starts), (std::vector<int64_t>{0, 4, 6}));
  EXPECT_EQ(values(batch.supervised.positions), (std::vector<int64_t>{2, 3, 5}));
  EXPECT_EQ(values(batch.supervised.labels), (std::vector<int64_t>{3, 3, 3}));
}

TEST(TextDropout, MasksDoNotDependOnTheCut) {
  const std::vector<SupervisedText> texts = {text_of(5, {3, 4}), text_of(3, {1, 2}),
                                             text_of(9, {7, 8})};
  const auto all = std::span(texts);
  const TextDropout whole(1, 2, 0, all), head(1, 2, 0, all.first(1)), tail(1, 2, 1, all.subspan(1));
  const auto joined = [&](int64_t head_rows, int64_t tail_rows) {
    return at::cat({head.keep("q", head_rows, 6, 0.5), tail.keep("q", tail_rows, 6, 0.5)});
  };
  EXPECT_TRUE(at::equal(whole.keep("q", 17, 6, 0.5), joined(5, 12)));
  EXPECT_TRUE(at::equal(whole.keep("q", 6, 6, 0.5), joined(2, 4)));
  EXPECT_FALSE(at::equal(whole.keep("q", 17, 6, 0.5), whole.keep("v", 17, 6, 0.5)));
  EXPECT_FALSE(
      at::equal(whole.keep("q", 17, 6, 0.5), TextDropout(1, 3, 0, all).keep("q", 17, 6, 0.5)));
}

}  // namespace
}  // namespace tandem
