// SPDX-License-Identifier: Apache-2.0
#include "learn/retriever/nce_task.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include <cmath>

#include "core/error.h"
#include "learn/ops/nce_loss.h"
#include "learn/retriever/placed_dropout.h"
#include "learn/retriever/retriever_task.h"
#include "learn/retriever/unit_retriever.h"
#include "learn/retriever/validation.h"

namespace tandem::learn {
namespace {

constexpr double kTemperature = 0.07;  // at the start, where it is learned
constexpr double kLargestScale = 100;
// Below this a position has hardly a negative left to learn from.
constexpr double kCollapsed = 2;

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
  std::vector<int64_t> inputs, labels, starts{0};
  for (const ContrastiveRow& row : rows) {
    const std::span<const int32_t> items = row.shown.items;
    if (items.size() < 2) continue;
    inputs.insert(inputs.end(), items.begin(), items.end() - 1);
    labels.insert(labels.end(), items.begin() + 1, items.end());
    starts.push_back(std::ssize(inputs));
  }
  return {.items = at::tensor(inputs, at::kLong),
          .labels = at::tensor(labels, at::kLong),
          .row_starts = at::tensor(starts, at::kLong)};
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
    : model_(model),
      objective_(objective),
      dataset_(dataset),
      config_(config),
      samples_(dataset, sample_options(config)) {
  if (samples_.size() == 0)
    throw DataError("{}: no user has two items to train on", dataset.folder().string());
  const bool learned = config.nce.fixed_scale == 0;
  const double scale = learned ? 1 / kTemperature : config.nce.fixed_scale;
  logit_scale_ = at::full({}, std::log(scale), at::kFloat).to(model.item_bias().device());
  logit_scale_.set_requires_grad(learned);
}

std::vector<NamedParameter> NceTask::parameters() const {
  std::vector<NamedParameter> all = model_.parameters();
  if (logit_scale_.requires_grad()) all.push_back({"logit_scale", logit_scale_});
  return all;
}

std::string NceTask::label() const { return training_label(config_.folds); }

std::string NceTask::fingerprint() const { return training_fingerprint(dataset_, config_.folds); }

int64_t NceTask::num_labels(std::span<const int64_t> samples, int64_t) const {
  int64_t labels = 0;
  for (const int64_t sample : samples) labels += samples_.num_items(sample) - 1;
  return labels;
}

NceTask::Figures NceTask::add_part(const StepPart& part, double weight_a_position) const {
  const std::vector<ContrastiveRow> rows = samples_.rows(part.samples, part.epoch, part.step);
  const auto own = std::span(rows).subspan(part.begin, part.end - part.begin);
  int64_t before = 0;  // positions
  for (const ContrastiveRow& row : std::span(rows).first(part.begin))
    before += row.num_transitions();
  const at::Device device = logit_scale_.device();
  const PackedBatch batch = pack_rows(own).to(device);
  const int64_t positions = batch.labels.numel();
  if (positions == 0) return {};
  at::Tensor drawn = negatives_of(config_.nce.own ? own : std::span(rows)).to(device);
  const PlacedDropout dropout(static_cast<uint64_t>(config_.seed), static_cast<uint64_t>(part.step),
                              before);
  NceInput input{.users = model_.hidden(batch, &dropout),
                 .targets = model_.item_vectors(batch.labels),
                 .negatives = model_.item_vectors(drawn),
                 .log_scale = logit_scale_,
                 .threshold = config_.nce.threshold};
  if (config_.nce.own) {
    drawn = drawn.view({positions, config_.nce.negatives});
    input.negatives = input.negatives.view({positions, config_.nce.negatives, -1});
  }
  if (config_.nce.by_id) {
    input.target_ids = batch.labels;
    input.negative_ids = drawn;
  }
  const NceLoss found = nce_loss(input);
  const auto count = static_cast<double>(positions);
  found.loss.mul(weight_a_position * count).backward();
  return {.loss = found.loss.item<double>() * count,
          .survivors = found.survivors * count,
          .first = static_cast<double>(found.ranks.eq(1).sum().item<int64_t>()),
          .positions = positions};
}

StepShare NceTask::add_share(const Step& step, ProcessGroup& group) const {
  if (logit_scale_.requires_grad()) {
    at::NoGradGuard no_grad;
    logit_scale_.detach().clamp_(0, std::log(kLargestScale));
  }
  // Compat alone: a step whose rows have one item each has no label, and no figures either.
  const auto labels = static_cast<double>(step.labels);
  const double weight = step.labels > 0 ? 1 / labels : 0;
  Figures sum;
  for (int64_t micro = 0; micro < step.accumulate; ++micro) {
    const Figures found = add_part(step.part(micro, group), weight);
    sum.loss += found.loss;
    sum.survivors += found.survivors;
    sum.first += found.first;
  }
  return {
      .loss = sum.loss * weight,
      .figures = {{"nce_samples", sum.survivors / labels}, {"nce_top1_acc", sum.first / labels}}};
}

double NceTask::add_gradients(const StepPart& part, double weight) const {
  const auto labels = static_cast<double>(num_labels(part.own(), part.epoch));
  return labels == 0 ? 0 : add_part(part, weight / labels).loss * weight / labels;
}

void NceTask::check_figures(const StepShare& step) const {
  const double survivors = step.figures[0].second;
  if (!(survivors < kCollapsed)) return;
  throw Error(ExitCode::kFailure,
              fmt::format("the items have collapsed: of each position's negatives {:.2f} are left, "
                          "the others are as near to its target as nce.threshold {}; lower "
                          "train.lr, or take more rows a step (train.batch) or negatives "
                          "(nce.negatives)",
                          survivors - 1, config_.nce.threshold));
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
