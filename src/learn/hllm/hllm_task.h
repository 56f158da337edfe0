// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/dataset.h"
#include "learn/contrastive/contrastive_samples.h"
#include "learn/hllm/hllm.h"
#include "learn/hllm/hllm_files.h"
#include "learn/hllm/hllm_options.h"
#include "learn/hllm/item_encoding.h"
#include "learn/trainer/task.h"

namespace tandem::learn {

// What a HllmTask trains on.
struct HllmInputs {
  ItemTokens tokens;        // of items 0..N
  std::string fingerprint;  // of data set and texts
};

// HLLM on a data set's training rows, validated by full ranking on cosines. A step is one contrast:
// every row's positions see the negatives of all rows, on whatever process they are. All must
// outlive the task; the options must be valid.
class HllmTask : public TrainingTask {
 public:
  HllmTask(const Hllm& model, const ContrastiveSamples& samples, const Dataset& dataset,
           const HllmOptions& options, HllmInputs inputs, TowerOrigin item, TowerOrigin user);

  std::vector<NamedParameter> parameters() const override { return model_.parameters(); }
  bool decayed(std::string_view) const override { return true; }  // as the authors' AdamW
  std::string fingerprint() const override { return inputs_.fingerprint; }
  int64_t num_samples() const override { return samples_.size(); }
  std::optional<std::vector<int64_t>> order(int64_t epoch) const override {
    return samples_.order(epoch);
  }
  int64_t length(int64_t sample) const override;
  int64_t num_labels(std::span<const int64_t> samples, int64_t epoch) const override;
  double add_gradients(const StepPart& part, double weight) const override;
  StepShare add_share(const Step& step, ProcessGroup& group) const override;
  // Error with advice when nearly all negatives are dropped: the towers have collapsed.
  void check_figures(const StepShare& step) const override;
  std::string validated_on() const override;
  ValidationResult validate(ProcessGroup& group, ThreadPool& pool) const override;
  void write_model(const fs::path& folder,
                   std::span<const NamedParameter> parameters) const override;

 private:
  // The vectors of a step's items: recomputed, or of a tower that is not trained looked up.
  at::Tensor known_vectors(ProcessGroup& group) const;
  std::vector<int64_t> valid_users() const;

  const Hllm& model_;
  const ContrastiveSamples& samples_;
  const Dataset& dataset_;
  const HllmOptions& options_;
  HllmInputs inputs_;
  TowerOrigin item_, user_;
  mutable at::Tensor known_;  // [N + 1, D] of an Item LLM that is not trained
};

}  // namespace tandem::learn
