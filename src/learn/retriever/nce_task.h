// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "learn/contrastive/contrastive_samples.h"
#include "learn/retriever/objective.h"
#include "learn/retriever/retriever_config.h"
#include "learn/trainer/task.h"

namespace tandem::learn {

// A retriever trained with HLLM's contrastive loss (learn/ops/nce_loss.h) instead of a softmax over
// all items: the ID baselines of arXiv 2409.12740. Rows are ContrastiveSamples', cosines are
// between the state at an item and the vectors of the next one and of negatives: those that all
// rows of the step drew, or `nce.negatives` of each position's own. Validated by full ranking on
// cosines; `objective` says what the model is shown then. Everything decays, as in the authors'
// AdamW. All must outlive the task; the config must be resolved.
class NceTask : public TrainingTask {
 public:
  NceTask(Retriever& model, const TrainingObjective& objective, const Dataset& dataset,
          const RetrieverConfig& config);

  // The model's, and "logit_scale" where the temperature is learned.
  std::vector<NamedParameter> parameters() const override;
  bool decayed(std::string_view) const override { return true; }
  std::string label() const override;
  std::string fingerprint() const override;
  int64_t num_samples() const override { return samples_.size(); }
  std::optional<std::vector<int64_t>> order(int64_t epoch) const override {
    return samples_.order(epoch);
  }
  int64_t length(int64_t sample) const override { return samples_.num_items(sample) - 1; }
  int64_t num_labels(std::span<const int64_t> samples, int64_t epoch) const override;
  double add_gradients(const StepPart& part, double weight) const override;
  StepShare add_share(const Step& step, ProcessGroup& group) const override;
  // Error with advice when nearly all negatives are dropped.
  void check_figures(const StepShare& step) const override;
  std::string validated_on() const override;
  ValidationResult validate(ProcessGroup& group, ThreadPool& pool) const override;
  void write_model(const fs::path& folder,
                   std::span<const NamedParameter> parameters) const override;

 private:
  // Means over a part's positions, and their number.
  struct Figures {
    double loss = 0, survivors = 0, first = 0;
    int64_t positions = 0;
  };
  Figures add_part(const StepPart& part, double weight_a_position) const;

  Retriever& model_;
  const TrainingObjective& objective_;
  const Dataset& dataset_;
  const RetrieverConfig& config_;
  ContrastiveSamples samples_;
  at::Tensor logit_scale_;  // []
};

}  // namespace tandem::learn
