// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "data/dataset.h"
#include "learn/llama/llama_task.h"
#include "learn/pretrain/pretrain_config.h"
#include "rank/prompt.h"

namespace tandem::learn {

// Token sequences to model, and those that are held out.
struct PretrainTexts {
  std::vector<std::vector<int32_t>> train, valid;
  std::string fingerprint;
};

// Training histories as text, as the prompt shows them: BOS, at most max_history items, EOS. A long
// history gives several texts, cut from its end; what is left of fewer than two items is dropped.
// A user is held out by (seed, user).
PretrainTexts history_texts(const Dataset& dataset, const Tokenizer& tokenizer,
                            const PretrainConfig& config, ThreadPool& pool);

// Blocks of the text's lines, each BOS, line, EOS, one behind the other; a line is held out by
// (seed, line). path is a file or a folder of .txt files. Shows progress.
PretrainTexts document_texts(const fs::path& path, const Tokenizer& tokenizer,
                             const PretrainConfig& config);

// Every token but the first of each text is predicted; judged by the mean loss of a token of the
// held-out texts. All must outlive the task.
class PretrainTask : public LlamaTask {
 public:
  // DataError when there is nothing to train or to validate on.
  PretrainTask(Llama& model, const LlamaSource& base, const Tokenizer& tokenizer,
               const PretrainConfig& config, PretrainTexts texts);

  std::string fingerprint() const override { return texts_.fingerprint; }
  int64_t num_samples() const override { return std::ssize(texts_.train); }
  int64_t length(int64_t sample) const override { return std::ssize(texts_.train[sample]); }
  int64_t num_labels(std::span<const int64_t> samples, int64_t epoch) const override;
  bool lower_is_better() const override { return true; }
  std::string validated_on() const override {
    return fmt::format("{} held-out texts", texts_.valid.size());
  }
  ValidationResult validate(ProcessGroup& group, ThreadPool& pool) const override;
  // With the tokenizer's BOS and EOS in config.json, as the texts had them.
  void write_model(const fs::path& folder,
                   std::span<const NamedParameter> parameters) const override;

 protected:
  std::vector<SupervisedText> texts(std::span<const int64_t> samples, int64_t epoch) const override;

 private:
  Tokenizer::SpecialIds special_ids_;
  PretrainTexts texts_;
};

}  // namespace tandem::learn
