// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "learn/contrastive/contrastive_task.h"
#include "learn/hllm/hllm.h"
#include "learn/hllm/hllm_files.h"
#include "learn/hllm/hllm_options.h"
#include "learn/hllm/item_encoding.h"

namespace tandem::learn {

// What a HllmTask trains on.
struct HllmInputs {
  ItemTokens tokens;        // of items 0..N
  std::string fingerprint;  // of data set and texts
};

// HLLM on a data set's training rows, validated by full ranking on cosines. Items of a step are
// encoded once, whatever process their rows are on. All must outlive the task; the options must be
// valid.
class HllmTask : public ContrastiveTask {
 public:
  HllmTask(const Hllm& model, const Dataset& dataset, const HllmOptions& options, HllmInputs inputs,
           TowerOrigin item, TowerOrigin user);

  std::vector<NamedParameter> parameters() const override { return model_.parameters(); }
  std::string fingerprint() const override { return inputs_.fingerprint; }
  std::string validated_on() const override;
  ValidationResult validate(ProcessGroup& group, ThreadPool& pool) const override;
  void write_model(const fs::path& folder,
                   std::span<const NamedParameter> parameters) const override;

 private:
  ContrastFigures add_rows(const Rows& rows, double weight, ProcessGroup& group) const override;
  bool judges() const override { return model_.config().ranking != HllmRanking::kNone; }
  const at::Tensor& logit_scale() const override { return model_.logit_scale(); }
  // Of all items as they are now; made once where nothing that makes them is trained.
  at::Tensor item_vectors(ProcessGroup& group) const;

  const Hllm& model_;
  const Dataset& dataset_;
  const HllmOptions& options_;
  HllmInputs inputs_;
  TowerOrigin item_, user_;
  mutable at::Tensor known_;  // [N + 1, D] of an Item LLM that is not trained
};

}  // namespace tandem::learn
