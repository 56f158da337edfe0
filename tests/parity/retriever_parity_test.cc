// SPDX-License-Identifier: Apache-2.0
// The training half and the engine must read the same folder as the same model.
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "engine/retriever.h"
#include "learn/checkpoint/checkpoint.h"
#include "learn/retriever/model_factory.h"
#include "learn/retriever/objective.h"
#include "models/retriever_family.h"
#include "models/retriever_weights.h"
#include "support/random_retriever.h"

namespace tandem {
namespace {

constexpr int64_t kItems = 90, kWidth = 32, kLength = 20;

// Scores of padding and all items after each row, by libtorch.
std::vector<float> learn_scores(const learn::Retriever& model,
                                const learn::TrainingObjective& objective,
                                std::span<const engine::History> rows) {
  const at::NoGradGuard no_grad;
  std::vector<std::vector<int64_t>> questions;
  std::vector<int64_t> times;
  for (const engine::History& row : rows) {
    questions.push_back(objective.question(row));
    times.insert(times.end(), row.times().begin(), row.times().end());
  }
  learn::PackedBatch batch = learn::pack_questions(questions);
  if (model.reads_times()) batch.times = at::tensor(times, at::kLong);
  const at::Tensor hidden = model.hidden(batch, nullptr);
  const at::Tensor scores = at::addmm(model.item_bias(), hidden, model.item_table().t())
                                .narrow(1, 0, kItems + 1)
                                .contiguous();
  return {scores.data_ptr<float>(), scores.data_ptr<float>() + scores.numel()};
}

// Makes fresh weights (0.02 wide) large enough that every term shows.
void enlarge(const learn::Retriever& model) {
  const at::NoGradGuard no_grad;
  Rng rng(9);
  for (const learn::NamedParameter& parameter : model.parameters()) {
    if (parameter.name.ends_with("params_log")) continue;
    float* values = parameter.value.data_ptr<float>();
    for (int64_t i = 0; i < parameter.value.numel(); ++i)
      values[i] += static_cast<float>(0.15 * rng.normal());
  }
}

void expect_parity(const learn::Retriever& model, const learn::TrainingObjective& objective,
                   const RetrieverModelConfig& config) {
  enlarge(model);
  const test::TemporaryFolder folder;
  learn::save_tensors(folder.path() / kRetrieverWeightsFile, model.parameters());
  write_json(folder.path() / kRetrieverConfigFile, config.to_json());
  const auto retriever = engine::load_retriever(folder.path());

  Rng rng(10);
  std::vector<std::vector<int32_t>> rows;
  std::vector<std::vector<int64_t>> times;
  for (const int64_t length : {1, 2, 7, 16, 19, 20}) {
    rows.push_back(test::random_history(length, kItems, rng));
    int64_t time = 1000000000;
    for (auto& of_row = times.emplace_back(); std::ssize(of_row) < length;) {
      time += static_cast<int64_t>(rng.below(uint64_t{1} << (1 + rng.below(24))));
      of_row.push_back(rng.below(5) == 0 ? 0 : time);
    }
  }
  std::vector<engine::History> histories;
  for (size_t i = 0; i < rows.size(); ++i) histories.emplace_back(rows[i], times[i]);
  ThreadPool pool(2);
  const std::vector<float> hidden = retriever->hidden(histories, pool);
  engine::ScoreProblem problem = retriever->score_problem(hidden.data(), std::ssize(rows), {});
  problem.exclude_padding = false;
  const std::vector<float> found = engine::score_all(problem, pool),
                           wanted = learn_scores(model, objective, histories);
  ASSERT_EQ(found.size(), wanted.size());
  float largest = 0, error = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    largest = std::max(largest, std::abs(wanted[i]));
    error = std::max(error, std::abs(found[i] - wanted[i]));
    ASSERT_FALSE(std::isnan(found[i]));
  }
  EXPECT_GT(largest, 0.5f);
  EXPECT_LT(error, 2e-5f);  // float32 sums in another order; the oracle's limit
}

// As the halves' own tables build it.
void expect_parity(const RetrieverFamily& family, bool relative_bias) {
  learn::RetrieverConfig config;
  config.model_type = family.name;
  config.seed = 3;
  config.width = kWidth;
  config.heads = 4;
  config.inner = family.default_inner;
  config.max_length = kLength;
  config.relative_bias = relative_bias;
  const auto model = learn::make_retriever(config, kItems, "cpu");
  expect_parity(*model, *learn::make_objective(config, kItems),
                {.model_type = config.model_type,
                 .num_items = kItems,
                 .width = config.width,
                 .blocks = config.blocks,
                 .heads = config.heads,
                 .inner = config.inner,
                 .relative_bias = relative_bias ? 1 : 0,
                 .max_length = config.max_length});
}

TEST(Parity, ScoresOfEveryFamily) {
  for (const RetrieverFamily& family : retriever_families()) {
    SCOPED_TRACE(family.name);
    expect_parity(family, false);
  }
}

TEST(Parity, ScoresOfHstuWithItsRelativeBias) { expect_parity(retriever_family("hstu"), true); }

}  // namespace
}  // namespace tandem
