// SPDX-License-Identifier: Apache-2.0
// NARM and BERT4Rec against tools/oracle/make_baselines.py: hidden states, logits, loss, gradients,
// training steps, answers for users.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/json.h"
#include "learn/optim/adamw.h"
#include "learn/retriever/model_factory.h"
#include "models/retriever_config.h"
#include "models/retriever_weights.h"
#include "oracle/learn/tensors.h"
#include "oracle/report.h"

namespace tandem::learn {
namespace {

// Float32 against float64, values of order 1 (scores of order 10).
constexpr double kHiddenLimit = 1e-5, kLossLimit = 1e-5, kGradientLimit = 2e-5;
constexpr double kStepLossLimit = 5e-5, kFinalLimit = 2e-5;

RetrieverConfig config_of(const RetrieverModelConfig& shape) {
  RetrieverConfig config;
  config.model_type = shape.model_type;
  config.width = shape.width;
  config.blocks = shape.blocks;
  config.heads = shape.heads;
  config.inner = shape.inner;
  config.max_length = shape.max_length;
  config.dropout = config.attn_dropout = 0;
  return config;
}

PackedBatch training_batch(const SafetensorsFile& values) {
  PackedBatch batch{.items = to_tensor(values, "items"),
                    .labels = to_tensor(values, "labels"),
                    .row_starts = to_tensor(values, "row_starts")};
  batch.wanted = batch.labels.nonzero().squeeze(1);
  return batch;
}

void check_training(Retriever& model, const SafetensorsFile& values, OracleReport& report) {
  const PackedBatch batch = training_batch(values);
  {
    at::NoGradGuard no_grad;
    const at::Tensor hidden = model.hidden(batch, nullptr);
    report.error("hidden", difference(hidden, to_tensor(values, "hidden"), true), kHiddenLimit);
    const at::Tensor logits = at::addmm(model.item_bias(), hidden, model.item_table().t());
    report.error("logits", difference(logits, to_tensor(values, "logits"), true), kHiddenLimit);
  }
  AdamW optimizer(model.parameters(), {.eps = 1e-3, .weight_decay = 0.01},
                  [&](std::string_view name) { return model.decayed(name); });
  const auto step = [&] {
    optimizer.zero_gradients();
    const at::Tensor loss = retriever_loss(model, batch, nullptr);
    loss.backward();
    return loss.item<double>();
  };
  const double first = step();
  report.error("loss", std::abs(first - to_tensor(values, "loss").item<double>()), kLossLimit);
  double largest = 0, worst = 0;
  for (const NamedParameter& parameter : model.parameters()) {
    const at::Tensor wanted = to_tensor(values, "grad." + parameter.name);
    largest = std::max(largest, wanted.abs().max().item<double>());
    worst = std::max(worst, difference(parameter.value.grad(), wanted));
  }
  report.error("gradients, to the largest", worst / largest, kGradientLimit);

  std::vector<double> losses;
  const at::Tensor wanted = to_tensor(values, "losses");
  for (int64_t i = 0; i < wanted.numel(); ++i) {
    losses.push_back(step());
    optimizer.clip_gradients(5);
    optimizer.step(1e-2);
  }
  report.error("losses of AdamW steps", difference(at::tensor(losses, at::kDouble), wanted),
               kStepLossLimit);
  worst = 0;
  for (const NamedParameter& parameter : model.parameters()) {
    worst =
        std::max(worst, difference(parameter.value, to_tensor(values, "final." + parameter.name)));
  }
  report.error("parameters after them", worst, kFinalLimit);
}

void check_answers(const Retriever& model, const TrainingObjective& objective, int64_t num_items,
                   const SafetensorsFile& values, OracleReport& report) {
  at::NoGradGuard no_grad;
  const at::Tensor items = to_tensor(values, "history.items").to(at::kInt),
                   starts = to_tensor(values, "history.row_starts");
  const int32_t* all = items.const_data_ptr<int32_t>();
  std::vector<std::vector<int64_t>> questions;
  for (int64_t row = 0; row + 1 < starts.numel(); ++row) {
    const auto begin = starts[row].item<int64_t>(), end = starts[row + 1].item<int64_t>();
    questions.push_back(objective.question(std::span(all + begin, all + end)));
  }
  const at::Tensor hidden = model.hidden(pack_questions(questions), nullptr);
  report.error("users' hidden", difference(hidden, to_tensor(values, "history.hidden"), true),
               kHiddenLimit);
  const at::Tensor scores =
      at::addmm(model.item_bias(), hidden, model.item_table().t()).narrow(1, 0, num_items + 1);
  report.error("users' scores", difference(scores, to_tensor(values, "history.scores"), true),
               kHiddenLimit);
}

void check(const fs::path& folder, OracleReport& report) {
  const fs::path file = folder / kRetrieverConfigFile;
  const auto shape = RetrieverModelConfig::from_json(read_json(file), file.string());
  const RetrieverConfig config = config_of(shape);
  const auto model = make_retriever(config, shape.num_items, "cpu");
  const auto objective = make_objective(config, shape.num_items);
  const SafetensorsFile weights(folder / kRetrieverWeightsFile),
      values(folder / "values.safetensors");
  {
    at::NoGradGuard no_grad;
    for (const NamedParameter& parameter : model->parameters())
      parameter.value.detach().copy_(to_tensor(weights, parameter.name));
  }
  check_answers(*model, *objective, shape.num_items, values, report);
  check_training(*model, values, report);
}

const OracleChecker narm("narm-tiny", "learn", check);
const OracleChecker bert4rec("bert4rec-tiny", "learn", check);

}  // namespace
}  // namespace tandem::learn
