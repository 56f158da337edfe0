// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "eval/candidates.h"
#include "learn/trainer/llama_task.h"
#include "learn/trainer/ranker_config.h"
#include "rank/prompt.h"
#include "rank/samples.h"
#include "rank/verbalizer.h"

namespace tandem {

// LlamaRec's ranker: one prompt for each prefix of the training sequences, loss on the letter and
// the end of text; validated by the letters' logits on the users whose held-out item was retrieved.
class RankerTask : public LlamaTask {
 public:
  // prefix_candidates: of training_prefixes(dataset), only with negatives = retriever. All must
  // outlive the task. DataError when nothing can be trained or validated on.
  RankerTask(LlamaModel& model, const HfFolder& base, const Tokenizer& tokenizer,
             const Dataset& dataset, const RankerConfig& config, const CandidateSet& valid,
             const PrefixCandidates& prefix_candidates, ThreadPool& pool);

  const Verbalizer& verbalizer() const { return verbalizer_; }
  int64_t num_valid_users() const { return std::ssize(valid_); }

  std::string fingerprint() const override { return fingerprint_; }
  int64_t num_samples() const override { return std::ssize(samples_); }
  int64_t num_labels(std::span<const int64_t> samples, int64_t epoch) const override;
  ValidationResult validate(ProcessGroup& group, ThreadPool& pool) const override;

 protected:
  SupervisedText text(int64_t sample, int64_t epoch) const override;

 private:
  std::vector<int64_t> rank_batch(size_t begin, size_t end) const;

  const Dataset& dataset_;
  const RankerConfig& config_;
  const PrefixCandidates& prefix_candidates_;
  TitleCutter cutter_;
  ItemTitles titles_;
  PromptEncoder encoder_;
  Verbalizer verbalizer_;
  std::vector<TrainingPrefix> prefixes_;
  std::vector<int64_t> samples_;  // the prefixes that are trained
  std::vector<RankingSample> valid_;
  std::vector<std::vector<int32_t>> valid_ids_;
  std::string fingerprint_;
};

}  // namespace tandem
