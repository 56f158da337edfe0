// SPDX-License-Identifier: Apache-2.0
// The ranks that training validates by are those of the engine on the same weights, user by user.
#include "learn/retriever/validation.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "core/rng.h"
#include "data/dataset_files.h"
#include "engine/retriever.h"
#include "learn/checkpoint/checkpoint.h"
#include "learn/ops/kernels.h"
#include "learn/retriever/model_factory.h"
#include "learn/retriever/nce_task.h"
#include "learn/retriever/retriever_task.h"
#include "learn/retriever/unit_retriever.h"
#include "learn/trainer/validation_metrics.h"
#include "models/retriever_weights.h"
#include "offline/full_ranking.h"
#include "support/ranker_world.h"

namespace tandem::learn {
namespace {

// 15 items and two users: one takes items 1 and 2 in turn, so that the item held out for validation
// is in the input, the other takes items 3 to 6.
Dataset repeating_dataset(const fs::path& folder) {
  std::vector<std::string> items;
  for (int i = 1; i <= 15; ++i) items.push_back(fmt::format("i{:02}", i));
  DenseLog log;
  log.user_ids = {"u0", "u1"};
  log.item_ids.assign(items.begin(), items.end());
  log.titles.assign(items.begin(), items.end());
  log.items = {1, 2, 1, 2, 1, 3, 4, 5, 6};
  log.offsets = {0, 5, 9};
  for (size_t i = 0; i < log.items.size(); ++i) {
    log.timestamps.push_back(static_cast<int64_t>(i));
    log.ratings.push_back(1);
  }
  fs::create_directories(folder);
  write_dataset_files(folder, log, Json::object());
  return Dataset::open(folder);
}

class ValidationRanks : public testing::TestWithParam<const char*> {
 protected:
  ValidationRanks() {
    config_.model_type = GetParam();
    config_.width = 8;
    config_.blocks = 1;
    config_.max_length = 3;  // shorter than most histories
    config_.resolve(dataset_);
    model_ = make_retriever(config_, dataset_.num_items(), "cpu");
    objective_ = make_objective(config_, dataset_.num_items());
    const at::NoGradGuard no_grad;
    Rng rng(4);
    for (const NamedParameter& parameter : model_->parameters()) {
      if (parameter.name.ends_with("params_log")) continue;
      float* values = parameter.value.data_ptr<float>();
      for (int64_t i = 0; i < parameter.value.numel(); ++i)
        values[i] += static_cast<float>(0.5 * rng.normal());
    }
    fs::create_directories(folder_ / "run");
    save_tensors(folder_ / "run" / kRetrieverWeightsFile, model_->parameters());
    write_json(folder_ / "run" / kRetrieverConfigFile,
               retriever_model_config(config_, dataset_).to_json());
    engine_ = engine::load_retriever(folder_ / "run");
  }

  std::unique_ptr<TrainingTask> new_task() {
    if (config_.loss == RetrieverLoss::kNce)
      return std::make_unique<NceTask>(*model_, *objective_, dataset_, config_);
    return std::make_unique<RetrieverTask>(*model_, *objective_, dataset_, config_);
  }

  std::vector<int64_t> ranks(bool exclude_history, UserFolds folds = {}) {
    const ValidationOptions options{
        .exclude = exclude_history ? Excluded::kInput : Excluded::kNothing,
        .batch = 5,
        .folds = folds};
    if (config_.loss == RetrieverLoss::kNce)  // scores are cosines
      return validation_ranks(UnitRetriever(*model_), *objective_, dataset_, options, world(),
                              pool_);
    return validation_ranks(*model_, *objective_, dataset_, options, world(), pool_);
  }

  // 1 + items (and the padding, unless something is excluded) with a greater score, counted.
  int64_t counted_rank(int64_t user, engine::SeenItems seen, bool padding_counts) {
    const engine::History history = input_items(dataset_, user, Split::kValid);
    std::vector<float> scores = engine_->score({&history, 1}, seen, pool_);
    if (padding_counts) {
      const std::vector<float> hidden = engine_->hidden({&history, 1}, pool_);
      engine::ScoreProblem problem = engine_->score_problem(hidden.data(), 1, {});
      problem.exclude_padding = false;
      scores[0] = engine::score_all(problem, pool_)[0];
    }
    const float target = scores[*target_item(dataset_, user, Split::kValid)];
    int64_t rank = 1;
    for (const float score : scores) rank += score > target;
    return rank;
  }

  test::TemporaryFolder folder_;
  ThreadPool pool_{2};
  Dataset dataset_ = test::tiny_dataset(folder_);
  RetrieverConfig config_;
  std::unique_ptr<Retriever> model_;
  std::unique_ptr<TrainingObjective> objective_;
  std::unique_ptr<engine::Retriever> engine_;
};

TEST_P(ValidationRanks, WithoutTheInputWindowEqualTheEngines) {
  const std::vector<int64_t> found = ranks(true);
  const RankList engine =
      rank_users(*engine_, dataset_, Split::kValid, 0, engine::SeenItems::kWindow, pool_).ranks;
  ASSERT_EQ(std::ssize(found), engine.size());
  for (int64_t i = 0; i < engine.size(); ++i) {
    SCOPED_TRACE(i);
    const auto at = static_cast<size_t>(i);
    EXPECT_EQ(engine.users[at], validation_users(dataset_, {})[at]);
    EXPECT_EQ(found[at], engine.ranks[at]);
    EXPECT_EQ(found[at], counted_rank(engine.users[at], engine::SeenItems::kWindow, false));
  }
  EXPECT_NE(found, ranks(false)) << "the exclusion must show on these data";
}

// The authors' way in training: the padding item takes part, too.
TEST_P(ValidationRanks, WithNothingExcludedCountThePadding) {
  const std::vector<int64_t> found = ranks(false);
  const std::vector<int64_t> users = validation_users(dataset_, {});
  ASSERT_EQ(found.size(), users.size());
  int64_t behind_padding = 0;
  for (size_t i = 0; i < users.size(); ++i) {
    SCOPED_TRACE(users[i]);
    EXPECT_EQ(found[i], counted_rank(users[i], engine::SeenItems::kNone, true));
    behind_padding += found[i] - counted_rank(users[i], engine::SeenItems::kNone, false);
  }
  EXPECT_GT(behind_padding, 0) << "the padding must show on these data";
}

TEST_P(ValidationRanks, OfAFoldAreThoseOfTheOtherUsers) {
  const std::vector<int64_t> all = ranks(true), users = validation_users(dataset_, {});
  for (int64_t left_out = 0; left_out < 3; ++left_out) {
    const UserFolds folds{.count = 3, .left_out = left_out};
    std::vector<int64_t> want, want_users;
    for (size_t i = 0; i < users.size(); ++i) {
      if (users[i] % 3 == left_out) continue;
      want.push_back(all[i]);
      want_users.push_back(users[i]);
    }
    EXPECT_EQ(validation_users(dataset_, folds), want_users);
    EXPECT_EQ(ranks(true, folds), want);
  }
}

// On the CPU and as other devices do it.
TEST_P(ValidationRanks, OfATargetThatMayNotBeOfferedAgainIsNone) {
  const Dataset repeating = repeating_dataset(folder_ / "repeating");
  const auto find = [&](bool exclude_history) {
    return validation_ranks(*model_, *objective_, repeating,
                            {.exclude = exclude_history ? Excluded::kInput : Excluded::kNothing},
                            world(), pool_);
  };
  const auto check = [&] {
    const std::vector<int64_t> found = find(true);
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0], 0);
    EXPECT_GE(found[1], 1);
    EXPECT_GE(find(false)[0], 1);
  };
  check();
  const ComposedOps composed_ops;
  check();
}

TEST(ValidationMetrics, ATargetThatWasNotRankedIsAMiss) {
  const ValidationMetrics metrics = metrics_of_ranks(std::vector<int64_t>{0, 1});
  for (const char* name : {"Recall@1", "Recall@50", "NDCG@10", "MRR@10"})
    EXPECT_EQ(metrics.value(name), 0.5) << name;
}

TEST_P(ValidationRanks, AreWhatTheTaskReports) {
  for (const bool exclude : {false, true}) {
    config_.exclude_history = exclude;
    config_.metric = "MRR@5";
    const std::unique_ptr<TrainingTask> task = new_task();
    const ValidationResult result = task->validate(world(), pool_);
    const ValidationMetrics want = metrics_of_ranks(ranks(exclude));
    EXPECT_EQ(result.value, want.value("MRR@5"));
    EXPECT_EQ(result.metrics, want.to_json());
    EXPECT_EQ(result.metrics["users"], 12);
    EXPECT_EQ(task->validated_on(), "12 users");
    for (const auto& [name, value] : result.scalars) EXPECT_EQ(value, want.value(name)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ValidationRanks,
                         testing::Values("lrurec", "sasrec", "narm", "bert4rec", "hstu"),
                         [](const auto& info) { return std::string(info.param); });

TEST(ValidationMetrics, HandWorked) {
  const std::vector<int64_t> ranks{1, 3, 60, 10};
  const ValidationMetrics metrics = metrics_of_ranks(ranks);
  EXPECT_DOUBLE_EQ(metrics.value("Recall@1"), 0.25);
  EXPECT_DOUBLE_EQ(metrics.value("Recall@5"), 0.5);
  EXPECT_DOUBLE_EQ(metrics.value("Recall@10"), 0.75);
  EXPECT_DOUBLE_EQ(metrics.value("NDCG@5"), (1 + 0.5) / 4);
  EXPECT_DOUBLE_EQ(metrics.value("MRR@50"), (1 + 1.0 / 3 + 0.1) / 4);
  EXPECT_THROW(metrics.value("Recall@7"), ConfigError);
}

}  // namespace
}  // namespace tandem::learn
