// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "learn/checkpoint/checkpoint.h"
#include "learn/optim/adamw.h"
#include "learn/optim/schedule.h"
#include "learn/retriever/validation.h"
#include "learn/retriever/windows.h"
#include "learn/sasrec/sasrec.h"
#include "support/temporary_folder.h"

namespace tandem::learn {
namespace {

using Items = std::vector<int32_t>;

std::vector<int64_t> to_vector(const at::Tensor& values) {
  const int64_t* data = values.const_data_ptr<int64_t>();
  return {data, data + values.numel()};
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

PackedBatch pack_rows(const std::vector<TrainingRow>& rows) {
  std::vector<TrainingExample> examples;
  for (const TrainingRow& row : rows) examples.push_back(next_items(row));
  return pack(examples);
}

TEST(TrainingRows, AShortSequenceIsOneRowThatBeginsWithPadding) {
  const Items items{7, 8, 9};
  const auto rows = training_rows(items, 3);
  ASSERT_EQ(rows.size(), 1u);
  const PackedBatch batch = pack_rows(rows);
  EXPECT_EQ(to_vector(batch.items), (std::vector<int64_t>{0, 7, 8}));
  EXPECT_EQ(to_vector(batch.labels), (std::vector<int64_t>{7, 8, 9}));
  EXPECT_EQ(to_vector(batch.row_starts), (std::vector<int64_t>{0, 3}));
}

TEST(TrainingRows, BelowTwoWindowsOnlyTheLastOneIsTrained) {
  const Items items{1, 2, 3, 4, 5};
  const PackedBatch batch = pack_rows(training_rows(items, 3));
  EXPECT_EQ(to_vector(batch.items), (std::vector<int64_t>{2, 3, 4}));
  EXPECT_EQ(to_vector(batch.labels), (std::vector<int64_t>{3, 4, 5}));
}

TEST(TrainingRows, WindowsGoFromTheEndAndDropTheRest) {
  const Items items{1, 2, 3, 4, 5, 6, 7};
  const PackedBatch batch = pack_rows(training_rows(items, 3));
  EXPECT_EQ(to_vector(batch.items), (std::vector<int64_t>{0, 5, 6, 0, 2, 3}));
  EXPECT_EQ(to_vector(batch.labels), (std::vector<int64_t>{5, 6, 7, 2, 3, 4}));
  EXPECT_EQ(to_vector(batch.row_starts), (std::vector<int64_t>{0, 3, 6}));
}

TEST(TrainingRows, AnEmptySequenceHasNone) { EXPECT_TRUE(training_rows({}, 3).empty()); }

std::vector<NamedParameter> two_parameters() {
  std::vector<NamedParameter> parameters{{"weight", at::tensor({2.0f, -1.0f})},
                                         {"bias", at::tensor({0.5f})}};
  for (const NamedParameter& parameter : parameters) parameter.value.set_requires_grad(true);
  return parameters;
}

bool not_bias(std::string_view name) { return name != "bias"; }

// In the first step m_hat / sqrt(v_hat) is the gradient's sign.
TEST(AdamW, FirstStepMovesByTheRateAndDecaysByName) {
  AdamW optimizer(two_parameters(), {.eps = 0, .weight_decay = 0.5}, not_bias);
  optimizer.parameters()[0].value.mutable_grad().copy_(at::tensor({3.0f, -4.0f}));
  optimizer.parameters()[1].value.mutable_grad().copy_(at::tensor({1.0f}));
  optimizer.step(0.1);
  const at::Tensor weight = optimizer.parameters()[0].value;
  EXPECT_NEAR(weight[0].item<double>(), 2.0 * 0.95 - 0.1, 1e-6);
  EXPECT_NEAR(weight[1].item<double>(), -1.0 * 0.95 + 0.1, 1e-6);
  EXPECT_NEAR(optimizer.parameters()[1].value[0].item<double>(), 0.4, 1e-6);
}

TEST(AdamW, ClippingScalesTheNormOverAllParameters) {
  AdamW optimizer(two_parameters(), {}, not_bias);
  optimizer.parameters()[0].value.mutable_grad().copy_(at::tensor({2.0f, -1.0f}));
  optimizer.parameters()[1].value.mutable_grad().copy_(at::tensor({2.0f}));
  EXPECT_NEAR(optimizer.clip_gradients(5), 3, 1e-6);
  EXPECT_EQ(optimizer.gradients()[0].item<double>(), 2.0);
  EXPECT_NEAR(optimizer.clip_gradients(1.5), 3, 1e-6);
  EXPECT_NEAR(optimizer.gradients()[0].item<double>(), 1.0, 1e-6);
  EXPECT_NEAR(optimizer.parameters()[1].value.grad()[0].item<double>(), 1.0, 1e-6);
}

TEST(Schedule, WarmsUpThenFalls) {
  const Schedule linear{ScheduleKind::kLinear, 4, 12};
  EXPECT_EQ(linear.factor(0), 0);
  EXPECT_EQ(linear.factor(2), 0.5);
  EXPECT_EQ(linear.factor(4), 1);
  EXPECT_EQ(linear.factor(8), 0.5);
  EXPECT_EQ(linear.factor(12), 0);
  const Schedule cosine{ScheduleKind::kCosine, 0, 10};
  EXPECT_NEAR(cosine.factor(5), 0.5, 1e-12);
  EXPECT_EQ(Schedule{}.factor(1000), 1);
  EXPECT_THROW(parse_schedule("step"), ConfigError);
}

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

TEST(Checkpoint, GivesBackTheSameBitsAndRefusesOtherShapes) {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "x.safetensors";
  const std::vector<NamedParameter> saved{{"a", at::tensor({1.5f, -0.0f, 3e-40f})}};
  save_tensors(path, saved);
  const std::vector<NamedParameter> loaded{{"a", at::zeros({3})}};
  load_tensors(path, loaded);
  EXPECT_EQ(0, std::memcmp(saved[0].value.data_ptr(), loaded[0].value.data_ptr(), 12));
  const std::vector<NamedParameter> other{{"a", at::zeros({4})}};
  EXPECT_THROW(load_tensors(path, other), FormatError);
}

const TransformerConfig kTiny{
    .num_items = 20, .width = 8, .blocks = 2, .heads = 2, .inner = 2, .max_length = 6};

PackedBatch inputs(std::vector<int64_t> items, std::vector<int64_t> starts) {
  const at::Tensor ids = at::tensor(items, at::kLong);
  return {ids, ids.clone().zero_(), at::tensor(starts, at::kLong)};
}

TEST(SasRec, ABatchOfManyEqualsManyBatchesOfOne) {
  at::NoGradGuard no_grad;
  const SasRec model(kTiny, 3);
  const at::Tensor both = model.hidden(inputs({3, 4, 5, 0, 7, 8, 9, 10, 11}, {0, 3, 9}), nullptr);
  EXPECT_LT(distance(both.narrow(0, 0, 3), model.hidden(inputs({3, 4, 5}, {0, 3}), nullptr)), 1e-6);
  EXPECT_LT(
      distance(both.narrow(0, 3, 6), model.hidden(inputs({0, 7, 8, 9, 10, 11}, {0, 6}), nullptr)),
      1e-6);
}

TEST(SasRec, NoPositionSeesLaterItems) {
  at::NoGradGuard no_grad;
  const SasRec model(kTiny, 3);
  const at::Tensor a = model.hidden(inputs({0, 4, 5, 6}, {0, 4}), nullptr);
  const at::Tensor b = model.hidden(inputs({0, 4, 9, 10}, {0, 4}), nullptr);
  EXPECT_LT(distance(a.narrow(0, 0, 2), b.narrow(0, 0, 2)), 1e-7);
  EXPECT_GT(distance(a.narrow(0, 2, 2), b.narrow(0, 2, 2)), 1e-3);
}

TEST(SasRec, RejectsARowBeyondItsPositions) {
  const SasRec model(kTiny, 3);
  EXPECT_THROW(model.hidden(inputs({1, 2, 3, 4, 5, 6, 7}, {0, 7}), nullptr), ShapeError);
}

}  // namespace
}  // namespace tandem::learn
