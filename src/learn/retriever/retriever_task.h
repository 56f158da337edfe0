// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "data/dataset.h"
#include "learn/retriever/objective.h"
#include "learn/retriever/retriever_config.h"
#include "learn/trainer/task.h"
#include "models/retriever_config.h"

namespace tandem::learn {

// Any Retriever on a data set's training rows, as its objective shows them, validated by full
// ranking. All must outlive the task; the config must be resolved.
class RetrieverTask : public TrainingTask {
 public:
  RetrieverTask(Retriever& model, const TrainingObjective& objective, const Dataset& dataset,
                const RetrieverConfig& config);

  std::vector<NamedParameter> parameters() const override { return model_.parameters(); }
  bool decayed(std::string_view name) const override { return model_.decayed(name); }
  std::string label() const override;
  std::string fingerprint() const override;
  int64_t num_samples() const override { return std::ssize(rows_); }
  int64_t length(int64_t sample) const override { return objective_.positions(rows_[sample]); }
  int64_t num_labels(std::span<const int64_t> samples, int64_t epoch) const override;
  double add_gradients(const StepPart& part, double weight) const override;
  std::string validated_on() const override;
  ValidationResult validate(ProcessGroup& group, ThreadPool& pool) const override;
  void write_model(const fs::path& folder,
                   std::span<const NamedParameter> parameters) const override;

 protected:
  std::vector<TrainingExample> examples(std::span<const int64_t> samples, int64_t epoch) const;

 private:
  Retriever& model_;
  const TrainingObjective& objective_;
  const Dataset& dataset_;
  const RetrieverConfig& config_;
  std::vector<TrainingRow> rows_;
};

// What the tasks of a retriever have in common, whatever the loss.

std::string training_label(const UserFolds& folds);
// The data set's, and the fold that is left out.
std::string training_fingerprint(const Dataset& dataset, const UserFolds& folds);
ValidationResult validate_retriever(const Retriever& model, const TrainingObjective& objective,
                                    const Dataset& dataset, const RetrieverConfig& config,
                                    ProcessGroup& group, ThreadPool& pool);
// A run folder's config.json, items.bin and model.safetensors.
void write_retriever(const fs::path& folder, const RetrieverConfig& config, const Dataset& dataset,
                     std::span<const NamedParameter> parameters);
// The trained model as the engine knows it; the config must be resolved.
RetrieverModelConfig retriever_model_config(const RetrieverConfig& config, const Dataset& dataset);

}  // namespace tandem::learn
