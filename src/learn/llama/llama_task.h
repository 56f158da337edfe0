// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "learn/llama/llama.h"
#include "learn/trainer/task.h"
#include "models/llama_source.h"

namespace tandem::learn {

// A further token that the position of labels[label] is to say.
struct SoftLabel {
  int64_t label = 0;
  int32_t token = 0;
  double weight = 0;
};

// A token sequence with labels: at positions[i] the next token is to be labels[i].
struct SupervisedText {
  std::vector<int32_t> ids = {};  // without tokens behind the last position
  std::vector<int64_t> positions = {};
  std::vector<int32_t> labels = {};
  // Of each label in the sum of losses that is divided by the number of labels; empty: all 1.
  std::vector<double> weights = {};
  std::vector<SoftLabel> soft = {};  // in the order of their labels
};

struct SupervisedBatch {
  PackedTokens packed;
  SupervisedPositions supervised;
};
// num_labels: what the sum of losses is divided by where texts have weights or soft labels; without
// them the loss is the mean over all labels.
SupervisedBatch pack_texts(std::span<const SupervisedText> texts, int64_t num_labels = 1);
PackedTokens pack_prompts(std::span<const std::vector<int32_t>> prompts);

// Masks drawn for each text alone by its place in the step, so that they do not depend on how the
// step is cut. A site has either one row for every token of the texts or one for every label.
class TextDropout : public DropoutRng {
 public:
  // first: place of texts[0] in the step.
  TextDropout(uint64_t seed, uint64_t step, int64_t first, std::span<const SupervisedText> texts);
  at::Tensor keep(std::string_view site, int64_t rows, int64_t columns, double p) const override;

 private:
  int64_t first_;
  std::vector<int64_t> tokens_, labels_;  // of each text
  int64_t all_tokens_ = 0, all_labels_ = 0;
};

// What training a Llama on labelled texts has in common: adapters or all weights.
class LlamaTask : public TrainingTask {
 public:
  // base: what the model comes from; must outlive the task, as the model.
  LlamaTask(Llama& model, const LlamaSource& base, uint64_t seed)
      : model_(model), base_(base), seed_(seed) {}

  std::vector<NamedParameter> parameters() const override { return model_.parameters(); }
  // Not norms and biases.
  bool decayed(std::string_view name) const override;
  double add_gradients(const StepPart& part, double weight) const override;
  // A PEFT folder, or with all weights trained a Hugging Face folder with the base's tokenizer.
  void write_model(const fs::path& folder,
                   std::span<const NamedParameter> parameters) const override;

 protected:
  virtual std::vector<SupervisedText> texts(std::span<const int64_t> samples,
                                            int64_t epoch) const = 0;
  const Llama& model() const { return model_; }

 private:
  Llama& model_;
  const LlamaSource& base_;
  uint64_t seed_;
};

}  // namespace tandem::learn
