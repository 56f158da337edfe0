// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "eval/candidates.h"
#include "learn/llama/llama_task.h"
#include "learn/ranker/ranker_config.h"
#include "offline/samples.h"
#include "rank/prompt.h"
#include "rank/ranker.h"
#include "rank/verbalizer.h"

namespace tandem::learn {

// What a ranker is trained with beside its data set.
struct RankerInputs {
  CandidateSet valid = {};
  PrefixCandidates train = {};  // of training_prefixes(dataset); not with negatives = uniform
  // The base as it was before training, with loss.soft_target; else null.
  std::unique_ptr<const Ranker> teacher = {};
};

// LlamaRec's ranker: one prompt for each prefix of the training sequences, loss on the letter and
// the end of text; validated by the letters' logits on the users whose held-out item was retrieved.
//
// With s = loss.soft_target and g = loss.language, and CE the cross-entropy over all tokens, a
// prompt's loss is the mean over its answer's labels (letter, and EOS if trained) of
//
//     (1 - s) CE(true letter) + s sum_c q(c) CE(letter of c)      at the letter
//     CE(EOS)                                                     at the end
//
// plus g times the mean CE of its history's tokens. q is the softmax of the teacher's title
// likelihoods over the candidates (title_likelihood.h); the engine computes them, a batch at a
// time.
class RankerTask : public LlamaTask {
 public:
  // All must outlive the task. DataError when nothing can be trained or validated on.
  RankerTask(Llama& model, const LlamaSource& base, const Tokenizer& tokenizer,
             const Dataset& dataset, const RankerConfig& config, const RankerInputs& inputs,
             ThreadPool& pool);

  const Verbalizer& verbalizer() const { return verbalizer_; }
  int64_t num_valid_users() const { return std::ssize(valid_); }
  // SHA-256 of the samples of the first epoch, of the validation's candidates and of the titles.
  Json facts() const;

  std::string fingerprint() const override { return fingerprint_; }
  int64_t num_samples() const override { return std::ssize(samples_); }
  int64_t length(int64_t sample) const override { return prefixes_[samples_[sample]].length; }
  int64_t num_labels(std::span<const int64_t> samples, int64_t epoch) const override;
  std::string validated_on() const override { return fmt::format("{} users", valid_.size()); }
  ValidationResult validate(ProcessGroup& group, ThreadPool& pool) const override;

 protected:
  std::vector<SupervisedText> texts(std::span<const int64_t> samples, int64_t epoch) const override;

 private:
  RankingSample question(int64_t sample, int64_t epoch) const;
  SupervisedText text(const RankingSample& question) const;
  // Labels on the history's tokens, in front of the answer's.
  void add_language(const std::string& prompt, const RankingSample& question, int64_t letter,
                    SupervisedText& text) const;
  void add_soft_targets(std::span<const RankingSample> questions,
                        std::span<SupervisedText> texts) const;
  std::vector<int64_t> rank_batch(size_t begin, size_t end) const;

  const Dataset& dataset_;
  const RankerConfig& config_;
  const RankerInputs& inputs_;
  ThreadPool& pool_;
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

}  // namespace tandem::learn
