// SPDX-License-Identifier: Apache-2.0
#include "learn/retriever/nce_task.h"

#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include <cmath>

#include "learn/retriever/placed_dropout.h"
#include "learn/retriever/retriever_task.h"
#include "learn/retriever/unit_retriever.h"
#include "learn/retriever/validation.h"

namespace tandem::learn {
namespace {

SampleOptions sample_options(const RetrieverConfig& config) {
  const NceConfig& nce = config.nce;
  return {.max_length = config.max_length,
          .split = nce.split_rows,
          .negatives = nce.own ? 0 : nce.negatives,
          .negatives_a_transition = nce.own ? nce.negatives : 0,
          .compat = nce.compat_samples,
          .rows_a_step = config.batch * config.accumulate,
          .folds = config.folds,
          .seed = static_cast<uint64_t>(config.seed)};
}

// What the positions of some rows are asked: labels are the next items.
PackedBatch pack_rows(std::span<const ContrastiveRow> rows) {
  std::vector<int64_t> inputs, labels, times, starts{0};
  for (const ContrastiveRow& row : rows) {
    const std::span<const int32_t> items = row.shown.items;
    if (items.size() < 2) continue;
    inputs.insert(inputs.end(), items.begin(), items.end() - 1);
    labels.insert(labels.end(), items.begin() + 1, items.end());
    times.insert(times.end(), row.shown.times.begin(), row.shown.times.end() - 1);
    starts.push_back(std::ssize(inputs));
  }
  return {.items = at::tensor(inputs, at::kLong),
          .labels = at::tensor(labels, at::kLong),
          .row_starts = at::tensor(starts, at::kLong),
          .times = at::tensor(times, at::kLong)};
}

at::Tensor negatives_of(std::span<const ContrastiveRow> rows) {
  std::vector<int64_t> items;
  for (const ContrastiveRow& row : rows)
    items.insert(items.end(), row.negatives.begin(), row.negatives.end());
  return at::tensor(items, at::kLong);
}

}  // namespace

NceTask::NceTask(Retriever& model, const TrainingObjective& objective, const Dataset& dataset,
                 const RetrieverConfig& config)
    : ContrastiveTask(dataset, sample_options(config), config.nce, "items"),
      model_(model),
      objective_(objective),
      dataset_(dataset),
      config_(config) {
  const bool learned = config.nce.fixed_scale == 0;
  const double log_scale = learned ? initial_log_scale() : std::log(config.nce.fixed_scale);
  logit_scale_ = at::full({}, log_scale, at::kFloat).to(model.item_bias().device());
  logit_scale_.set_requires_grad(learned);
}

std::vector<NamedParameter> NceTask::parameters() const {
  std::vector<NamedParameter> all = model_.parameters();
  if (logit_scale_.requires_grad()) all.push_back({"logit_scale", logit_scale_});
  return all;
}

std::string NceTask::label() const { return training_label(config_.folds); }

std::string NceTask::fingerprint() const { return training_fingerprint(dataset_, config_.folds); }

ContrastFigures NceTask::add_part(const Rows& rows, const StepPart& part, double weight) const {
  const std::span<const ContrastiveRow> own = rows.of(part);
  int64_t before = 0;  // positions
  for (const ContrastiveRow& row : rows.all.first(part.begin)) before += row.num_transitions();
  const at::Device device = logit_scale_.device();
  const PackedBatch batch = pack_rows(own).to(device);
  const int64_t positions = batch.labels.numel();
  if (positions == 0) return {};
  at::Tensor drawn = negatives_of(config_.nce.own ? own : rows.all).to(device);
  const PlacedDropout dropout(static_cast<uint64_t>(config_.seed), static_cast<uint64_t>(part.step),
                              before);
  NceInput input{.users = model_.hidden(batch, &dropout),
                 .targets = model_.item_vectors(batch.labels),
                 .negatives = model_.item_vectors(drawn),
                 .log_scale = logit_scale_,
                 .threshold = filter().threshold};
  if (config_.nce.own) {
    drawn = drawn.view({positions, config_.nce.negatives});
    input.negatives = input.negatives.view({positions, config_.nce.negatives, -1});
  }
  if (filter().by_id) {
    input.target_ids = batch.labels;
    input.negative_ids = drawn;
  }
  return add_contrast_gradients(input, weight);
}

ContrastFigures NceTask::add_rows(const Rows& rows, double weight, ProcessGroup&) const {
  ContrastFigures sum;
  for (const StepPart& part : rows.parts) sum.add(add_part(rows, part, weight));
  return sum;
}

std::string NceTask::validated_on() const {
  return fmt::format("{} users", validation_users(dataset_, config_.folds).size());
}

ValidationResult NceTask::validate(ProcessGroup& group, ThreadPool& pool) const {
  return validate_retriever(UnitRetriever(model_), objective_, dataset_, config_, group, pool);
}

void NceTask::write_model(const fs::path& folder,
                          std::span<const NamedParameter> parameters) const {
  write_retriever(folder, config_, dataset_, parameters);
}

}  // namespace tandem::learn
