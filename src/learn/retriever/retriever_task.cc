// SPDX-License-Identifier: Apache-2.0
#include "learn/retriever/retriever_task.h"

#include "core/error.h"
#include "learn/checkpoint/checkpoint.h"
#include "learn/retriever/placed_dropout.h"
#include "learn/retriever/validation.h"
#include "learn/trainer/validation_metrics.h"
#include "rank/catalogue.h"

namespace tandem::learn {
namespace {

std::vector<TrainingRow> all_rows(const Dataset& dataset, const TrainingObjective& objective,
                                  const UserFolds& folds) {
  std::vector<TrainingRow> rows;
  for (int64_t user = 0; user < dataset.num_users(); ++user) {
    if (!folds.trains(user)) continue;
    const auto of_user = objective.rows(train_items(dataset, user));
    rows.insert(rows.end(), of_user.begin(), of_user.end());
  }
  if (rows.empty()) throw DataError("{}: nothing to train on", dataset.folder().string());
  return rows;
}

}  // namespace

RetrieverTask::RetrieverTask(Retriever& model, const TrainingObjective& objective,
                             const Dataset& dataset, const RetrieverConfig& config)
    : model_(model),
      objective_(objective),
      dataset_(dataset),
      config_(config),
      rows_(all_rows(dataset, objective, config.folds)) {}

std::string RetrieverTask::label() const { return training_label(config_.folds); }

std::string RetrieverTask::fingerprint() const {
  return training_fingerprint(dataset_, config_.folds);
}

std::string training_label(const UserFolds& folds) {
  return folds.left_out < 0 ? "train"
                            : fmt::format("train fold {} of {}", folds.left_out + 1, folds.count);
}

std::string training_fingerprint(const Dataset& dataset, const UserFolds& folds) {
  return folds.left_out < 0 ? dataset.fingerprint()
                            : fmt::format("{} without fold {} of {}", dataset.fingerprint(),
                                          folds.left_out, folds.count);
}

std::vector<TrainingExample> RetrieverTask::examples(std::span<const int64_t> samples,
                                                     int64_t epoch) const {
  std::vector<TrainingExample> examples;
  for (const int64_t sample : samples)
    examples.push_back(objective_.example(rows_[sample], sample, epoch));
  return examples;
}

int64_t RetrieverTask::num_labels(std::span<const int64_t> samples, int64_t epoch) const {
  int64_t labels = 0;
  for (const TrainingExample& example : examples(samples, epoch)) labels += example.num_labels();
  return labels;
}

double RetrieverTask::add_gradients(const StepPart& part, double weight) const {
  const PackedBatch batch = pack(examples(part.own(), part.epoch));
  if (batch.wanted.defined() && batch.wanted.numel() == 0) return 0;
  int64_t before = 0;  // positions
  for (const int64_t sample : part.samples.first(part.begin))
    before += objective_.positions(rows_[sample]);
  const PlacedDropout dropout(static_cast<uint64_t>(config_.seed), static_cast<uint64_t>(part.step),
                              before);
  const at::Tensor loss =
      retriever_loss(model_, batch.to(model_.item_table().device()), &dropout).mul(weight);
  loss.backward();
  return loss.item<double>();
}

std::string RetrieverTask::validated_on() const {
  return fmt::format("{} users", validation_users(dataset_, config_.folds).size());
}

ValidationResult RetrieverTask::validate(ProcessGroup& group, ThreadPool& pool) const {
  return validate_retriever(model_, objective_, dataset_, config_, group, pool);
}

ValidationResult validate_retriever(const Retriever& model, const TrainingObjective& objective,
                                    const Dataset& dataset, const RetrieverConfig& config,
                                    ProcessGroup& group, ThreadPool& pool) {
  const Excluded exclude = config.exclude_history ? Excluded::kInput : Excluded::kNothing;
  return validation_result(
      validation_ranks(model, objective, dataset, {.exclude = exclude, .folds = config.folds},
                       group, pool),
      config.metric, {10, 20});
}

void RetrieverTask::write_model(const fs::path& folder,
                                std::span<const NamedParameter> parameters) const {
  write_retriever(folder, config_, dataset_, parameters);
}

void write_retriever(const fs::path& folder, const RetrieverConfig& config, const Dataset& dataset,
                     std::span<const NamedParameter> parameters) {
  // The weights last: a run that has them is whole.
  write_item_ids(folder, dataset);
  write_json(folder / "config.json", retriever_model_config(config, dataset).to_json());
  save_tensors(folder / "model.safetensors", parameters);
}

RetrieverModelConfig retriever_model_config(const RetrieverConfig& config, const Dataset& dataset) {
  return {.model_type = config.model_type,
          .num_items = dataset.num_items(),
          .width = config.width,
          .blocks = config.blocks,
          .heads = config.heads,
          .inner = config.inner,
          .kv_heads = config.kv_heads,
          .ffn_width = config.ffn_width,
          .item_width = config.item_width,
          .relative_bias = config.relative_bias ? 1 : 0,
          .max_length = config.max_length,
          .similarity = config.loss == RetrieverLoss::kNce ? Similarity::kCosine : Similarity::kDot,
          .dataset_fingerprint = dataset.fingerprint()};
}

}  // namespace tandem::learn
