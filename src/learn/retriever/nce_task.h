// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "learn/contrastive/contrastive_task.h"
#include "learn/retriever/objective.h"
#include "learn/retriever/retriever_config.h"

namespace tandem::learn {

// A retriever trained with HLLM's contrastive loss (learn/ops/nce_loss.h) instead of a softmax over
// all items: the ID baselines of arXiv 2409.12740. Rows are ContrastiveSamples', cosines are
// between the state at an item and the vectors of the next one and of negatives: those that all
// rows of the step drew, or `nce.negatives` of each position's own. Validated by full ranking on
// cosines; `objective` says what the model is shown then. All must outlive the task; the config must
// be resolved.
class NceTask : public ContrastiveTask {
 public:
  NceTask(Retriever& model, const TrainingObjective& objective, const Dataset& dataset,
          const RetrieverConfig& config);

  // The model's, and "logit_scale" where the temperature is learned.
  std::vector<NamedParameter> parameters() const override;
  std::string label() const override;
  std::string fingerprint() const override;
  std::string validated_on() const override;
  ValidationResult validate(ProcessGroup& group, ThreadPool& pool) const override;
  void write_model(const fs::path& folder,
                   std::span<const NamedParameter> parameters) const override;

 private:
  ContrastFigures add_rows(const Rows& rows, double weight, ProcessGroup& group) const override;
  const at::Tensor& logit_scale() const override { return logit_scale_; }
  ContrastFigures add_part(const Rows& rows, const StepPart& part, double weight) const;

  Retriever& model_;
  const TrainingObjective& objective_;
  const Dataset& dataset_;
  const RetrieverConfig& config_;
  at::Tensor logit_scale_;  // []
};

}  // namespace tandem::learn
