// SPDX-License-Identifier: Apache-2.0
// The training loop on a task of one number, and what Llama tasks share.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "learn/llama/llama_task.h"
#include "learn/trainer/trainer.h"
#include "support/temporary_folder.h"

namespace tandem::learn {
namespace {

// Samples 0..9, of 1, 2 or 3 labels each; a label's loss is (w - sample)^2, so w goes to the mean
// over all labels, 87 / 19. Validation gives the next of some values, or how near w is to a target.
class MeanTask : public TrainingTask {
 public:
  explicit MeanTask(std::vector<double> values = {}, bool lower = false, double target = 0)
      : weight_(at::full({1}, 10.0f)), values_(std::move(values)), lower_(lower), target_(target) {
    weight_.set_requires_grad(true);
  }

  static int64_t labels_of(int64_t sample) { return 1 + sample % 3; }

  std::vector<NamedParameter> parameters() const override { return {{"w", weight_}}; }
  bool decayed(std::string_view) const override { return decayed_; }
  std::string fingerprint() const override { return "ten numbers"; }
  int64_t num_samples() const override { return 10; }
  int64_t length(int64_t sample) const override { return labels_of(sample); }
  int64_t num_labels(std::span<const int64_t> samples, int64_t) const override {
    int64_t labels = 0;
    for (const int64_t sample : samples) labels += labels_of(sample);
    return labels;
  }
  double add_gradients(const StepPart& part, double weight) const override {
    if (part.step == interrupt_in_) ::raise(SIGINT);
    taken_.insert(taken_.end(), part.own().begin(), part.own().end());
    at::Tensor loss = at::full({1}, 0.0f);
    for (const int64_t sample : part.own())
      loss = loss + (weight_ - static_cast<double>(sample)).pow(2) *
                        static_cast<double>(labels_of(sample));
    loss = loss.sum() * (weight / static_cast<double>(num_labels(part.own(), part.epoch)));
    loss.backward();
    return loss.item<double>();
  }
  bool lower_is_better() const override { return lower_; }
  std::string validated_on() const override { return "a number"; }
  ValidationResult validate(ProcessGroup&, ThreadPool&) const override {
    seen_.push_back(weight());
    const double value = values_.empty() ? -std::abs(weight() - target_)
                                         : values_[std::min(seen_.size(), values_.size()) - 1];
    return {.value = value, .metrics = {{"value", value}}};
  }
  void write_model(const fs::path&, std::span<const NamedParameter>) const override {}

  void interrupt_in(int64_t step) { interrupt_in_ = step; }
  void decay() { decayed_ = true; }
  double weight() const { return weight_.item<double>(); }
  const std::vector<double>& seen() const { return seen_; }
  const std::vector<int64_t>& taken() const { return taken_; }

 private:
  at::Tensor weight_;
  std::vector<double> values_;
  bool lower_, decayed_ = false;
  double target_;
  int64_t interrupt_in_ = -1;
  mutable std::vector<double> seen_;    // the weight at each validation
  mutable std::vector<int64_t> taken_;  // samples in the order of training
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

RunFolder new_run(const fs::path& path) { return RunFolder::create(path, {.verb = "test"}, ""); }

TEST(Trainer, GoesToTheMeanOverAllLabels) {
  MeanTask task;
  ThreadPool pool(1);
  TrainOptions all = options();
  all.batch = 10;
  all.epochs = 400;
  all.schedule = "linear";
  Trainer trainer(task, all, nullptr, world(), pool);
  EXPECT_EQ(trainer.total_steps(), 400);
  trainer.time_steps(400);
  EXPECT_NEAR(task.weight(), 87.0 / 19, 0.02);
}

TEST(Trainer, AnEpochTakesEverySampleOnceInAnOrderOfItsOwn) {
  ThreadPool pool(1);
  TrainOptions seeded = options();
  seeded.batch = 4;  // the last step of an epoch has 2
  std::vector<std::vector<int64_t>> orders;
  for (const int64_t seed : {1, 2}) {
    MeanTask task;
    seeded.seed = seed;
    Trainer(task, seeded, nullptr, world(), pool).time_steps(6);
    ASSERT_EQ(task.taken().size(), 20u);
    orders.emplace_back(task.taken().begin(), task.taken().begin() + 10);
    orders.emplace_back(task.taken().begin() + 10, task.taken().end());
  }
  std::vector<int64_t> all(10);
  std::iota(all.begin(), all.end(), int64_t{0});
  for (size_t i = 0; i < orders.size(); ++i) {
    for (size_t j = 0; j < i; ++j) EXPECT_NE(orders[i], orders[j]);
    EXPECT_NE(orders[i], all);
    std::vector<int64_t> sorted = orders[i];
    std::sort(sorted.begin(), sorted.end());
    EXPECT_EQ(sorted, all);
  }
}

// One step of AdamW from its options: the sign of the gradient times the rate, and the decay.
TEST(Trainer, GivesTheOptimiserItsOptions) {
  ThreadPool pool(1);
  TrainOptions one = options();
  one.batch = 10;
  one.weight_decay = 0.1;
  for (const bool decayed : {false, true}) {
    MeanTask task;
    if (decayed) task.decay();
    Trainer(task, one, nullptr, world(), pool).time_steps(1);
    EXPECT_NEAR(task.weight(), 10 * (decayed ? 1 - 0.5 * 0.1 : 1) - 0.5, 1e-5);
  }
  // Gradient 2 (10 - 87 / 19) = 10.84; with eps of its size the step is half as long.
  const double gradient = 2 * (10 - 87.0 / 19);
  one.weight_decay = 0;
  one.eps = gradient;
  MeanTask slow;
  Trainer(slow, one, nullptr, world(), pool).time_steps(1);
  EXPECT_NEAR(slow.weight(), 10 - 0.25, 1e-5);
  one.clip = gradient / 3;  // of which the optimiser sees a third
  MeanTask clipped;
  Trainer(clipped, one, nullptr, world(), pool).time_steps(1);
  EXPECT_NEAR(clipped.weight(), 10 - 0.5 / (1 + 3), 1e-5);
}

TEST(Trainer, WritesLossNormAndRateOfEachStep) {
  const test::TemporaryFolder folder;
  ThreadPool pool(1);
  TrainOptions logged = options();
  logged.batch = 10;
  logged.epochs = 4;
  logged.warmup_steps = 2;
  logged.schedule = "linear";
  logged.log_every = 1;
  RunFolder run = new_run(folder / "run");
  MeanTask task;
  Trainer(task, logged, &run, world(), pool).run();
  std::vector<double> rates, norms;
  double first_loss = 0;
  std::vector<int64_t> validated;
  for (const Json& line : run.metrics()) {
    if (line.contains("valid")) validated.push_back(line["step"].get<int64_t>());
    if (!line.contains("lr")) continue;
    rates.push_back(line["lr"].get<double>());
    norms.push_back(line["gradient_norm"].get<double>());
    if (rates.size() == 1) first_loss = line["loss"].get<double>();
  }
  EXPECT_EQ(rates, (std::vector<double>{0, 0.25, 0.5, 0.25}));
  EXPECT_EQ(validated, (std::vector<int64_t>{0, 2, 4}));
  double want = 0;  // the mean over labels at w = 10
  for (int64_t sample = 0; sample < 10; ++sample)
    want += static_cast<double>(MeanTask::labels_of(sample)) *
            std::pow(10.0 - static_cast<double>(sample), 2) / 19;
  EXPECT_NEAR(first_loss, want, 1e-4);
  ASSERT_EQ(norms.size(), 4u);
  EXPECT_NEAR(norms[0], 2 * (10 - 87.0 / 19), 1e-4);
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

// Parts of unequal numbers of labels: each counts by its share of the step's.
TEST(Trainer, AccumulationChangesRoundingAlone) {
  ThreadPool pool(1);
  const TrainOptions large = options();
  MeanTask whole;
  Trainer(whole, large, nullptr, world(), pool).time_steps(20);
  EXPECT_GT(std::abs(whole.weight() - 10), 1);
  for (const auto& [batch, accumulate] : {std::pair{1, 5}, std::pair{2, 3}, std::pair{3, 2}}) {
    SCOPED_TRACE(batch);
    TrainOptions small = options(), same = options();
    small.batch = batch;
    small.accumulate = accumulate;
    same.batch = batch * accumulate;
    MeanTask parts, together;
    Trainer(parts, small, nullptr, world(), pool).time_steps(20);
    Trainer(together, same, nullptr, world(), pool).time_steps(20);
    EXPECT_NEAR(together.weight(), parts.weight(), 1e-4);
    EXPECT_EQ(together.taken(), parts.taken());
    if (batch * accumulate == 5) {
      EXPECT_EQ(together.weight(), whole.weight());
    }
  }
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

// Interrupted between two validations, and resumed. The best parameters are once those of a step
// before, once of one behind.
TEST(Trainer, AResumedRunEndsWithTheSameBits) {
  const test::TemporaryFolder folder;
  ThreadPool pool(1);
  TrainOptions steps = options();
  steps.max_steps = 20;
  steps.valid_every = 4;
  steps.log_every = 1;
  for (const double target : {8.5, 4.0}) {
    SCOPED_TRACE(target);
    const std::string name = fmt::format("{}", target);
    RunFolder whole_run = new_run(folder / ("whole" + name).c_str());
    MeanTask whole({}, false, target);
    Trainer undisturbed(whole, steps, &whole_run, world(), pool);
    undisturbed.run();
    const int64_t best_step = undisturbed.state().best_step;
    EXPECT_TRUE(target == 8.5 ? best_step == 4 : best_step > 7) << best_step;
    EXPECT_NE(whole.weight(), whole.seen().back()) << "the last parameters are not the best";

    const fs::path path = folder / ("run" + name).c_str();
    {
      RunFolder run = new_run(path);
      MeanTask first({}, false, target);
      first.interrupt_in(5);  // noticed in the next step
      EXPECT_THROW(Trainer(first, steps, &run, world(), pool).run(), Interrupted);
    }
    RunFolder run = RunFolder::open(path);
    MeanTask second({}, false, target);
    Trainer resumed(second, steps, &run, world(), pool);
    resumed.resume(path);
    EXPECT_EQ(resumed.state().step, 7);
    resumed.run();
    EXPECT_EQ(second.weight(), whole.weight());
    EXPECT_EQ(second.seen().back(), whole.seen().back());
    EXPECT_EQ(resumed.state().to_json(), undisturbed.state().to_json());
    EXPECT_EQ(run.metrics(), whole_run.metrics());
  }
}

TEST(Trainer, AResumedRunHasTheNewPatience) {
  const test::TemporaryFolder folder;
  ThreadPool pool(1);
  TrainOptions stopping = options();
  stopping.patience = 2;
  stopping.max_steps = 20;
  const std::vector<double> falling{9, 8, 7, 6, 5};
  RunFolder run = new_run(folder / "run");
  MeanTask first(falling);
  Trainer stopped(first, stopping, &run, world(), pool);
  stopped.run();
  EXPECT_EQ(stopped.state().step, 4);
  for (const int64_t patience : {2, 3, 0}) {
    SCOPED_TRACE(patience);
    stopping.patience = patience;
    MeanTask next(falling);
    Trainer trainer(next, stopping, &run, world(), pool);
    trainer.resume(folder / "run");
    trainer.run();
    EXPECT_EQ(trainer.state().step, patience == 2 ? 4 : patience == 3 ? 6 : 20);
  }
}

TEST(Trainer, RefusesOtherDataOnResuming) {
  struct OtherData : MeanTask {
    std::string fingerprint() const override { return "eleven numbers"; }
  } other;
  const test::TemporaryFolder folder;
  ThreadPool pool(1);
  TrainOptions steps = options();
  steps.max_steps = 3;
  RunFolder run = new_run(folder / "run");
  MeanTask task;
  Trainer(task, steps, &run, world(), pool).run();
  Trainer resumed(other, steps, &run, world(), pool);
  EXPECT_THROW(resumed.resume(folder / "run"), DataError);
}

SupervisedText text_of(int64_t tokens, std::vector<int64_t> positions) {
  SupervisedText text;
  text.ids.assign(tokens, 7);
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
}  // namespace tandem::learn
