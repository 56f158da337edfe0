// SPDX-License-Identifier: Apache-2.0
#include "learn/llama/llama_task.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "core/check.h"
#include "learn/llama/llama_files.h"

namespace tandem::learn {
namespace {

at::Tensor to_tensor(const std::vector<int64_t>& values) {
  at::Tensor tensor = at::empty({std::ssize(values)}, at::kLong);
  std::copy(values.begin(), values.end(), tensor.data_ptr<int64_t>());
  return tensor;
}

at::Tensor to_tensor(const std::vector<double>& values) {
  at::Tensor tensor = at::empty({std::ssize(values)}, at::kDouble);
  std::copy(values.begin(), values.end(), tensor.data_ptr<double>());
  return tensor;
}

// All labels with their weights, and the soft ones.
HeadTargets pack_targets(std::span<const SupervisedText> texts, double scale) {
  std::vector<int64_t> starts{0}, tokens;
  std::vector<double> weights;
  for (const SupervisedText& text : texts) {
    TANDEM_CHECK(text.weights.empty() || text.weights.size() == text.labels.size());
    auto soft = text.soft.begin();
    for (size_t i = 0; i < text.labels.size(); ++i) {
      tokens.push_back(text.labels[i]);
      weights.push_back(scale * (text.weights.empty() ? 1.0 : text.weights[i]));
      for (; soft != text.soft.end() && soft->label == static_cast<int64_t>(i); ++soft) {
        tokens.push_back(soft->token);
        weights.push_back(scale * soft->weight);
      }
      starts.push_back(std::ssize(tokens));
    }
    TANDEM_CHECK(soft == text.soft.end(), "soft labels out of order");
  }
  return {.starts = to_tensor(starts), .tokens = to_tensor(tokens), .weights = to_tensor(weights)};
}

bool is_weighted(const SupervisedText& text) { return !text.weights.empty() || !text.soft.empty(); }

}  // namespace

SupervisedBatch pack_texts(std::span<const SupervisedText> texts, int64_t num_labels) {
  std::vector<int64_t> tokens, starts{0}, positions, labels;
  for (const SupervisedText& text : texts) {
    for (const int64_t position : text.positions) positions.push_back(starts.back() + position);
    tokens.insert(tokens.end(), text.ids.begin(), text.ids.end());
    labels.insert(labels.end(), text.labels.begin(), text.labels.end());
    starts.push_back(std::ssize(tokens));
  }
  SupervisedBatch batch{
      .packed = {.tokens = to_tensor(tokens), .row_starts = to_tensor(starts)},
      .supervised = {.positions = to_tensor(positions), .labels = to_tensor(labels)}};
  if (std::ranges::any_of(texts, is_weighted))
    batch.supervised.targets = pack_targets(texts, 1.0 / static_cast<double>(num_labels));
  return batch;
}

PackedTokens pack_prompts(std::span<const std::vector<int32_t>> prompts) {
  std::vector<int64_t> tokens, starts{0};
  for (const std::vector<int32_t>& prompt : prompts) {
    tokens.insert(tokens.end(), prompt.begin(), prompt.end());
    starts.push_back(std::ssize(tokens));
  }
  return {.tokens = to_tensor(tokens), .row_starts = to_tensor(starts)};
}

TextDropout::TextDropout(uint64_t seed, uint64_t step, int64_t first,
                         std::span<const SupervisedText> texts)
    : DropoutRng(seed, step), first_(first) {
  for (const SupervisedText& text : texts) {
    tokens_.push_back(std::ssize(text.ids));
    labels_.push_back(std::ssize(text.labels));
    all_tokens_ += tokens_.back();
    all_labels_ += labels_.back();
  }
}

at::Tensor TextDropout::keep(std::string_view site, int64_t rows, int64_t columns, double p) const {
  TANDEM_CHECK(rows == all_tokens_ || rows == all_labels_, "{} rows of {} tokens and {} labels",
               rows, all_tokens_, all_labels_);
  const std::vector<int64_t>& counts = rows == all_tokens_ ? tokens_ : labels_;
  std::vector<at::Tensor> masks;
  for (size_t i = 0; i < counts.size(); ++i) {
    const auto place = first_ + static_cast<int64_t>(i);
    masks.push_back(DropoutRng::keep(fmt::format("{}#{}", site, place), counts[i], columns, p));
  }
  return masks.size() == 1 ? masks.front() : at::cat(masks);
}

bool LlamaTask::decayed(std::string_view name) const {
  return !name.ends_with("norm.weight") && !name.ends_with(".bias");
}

double LlamaTask::add_gradients(const StepPart& part, double weight) const {
  const std::vector<SupervisedText> texts = this->texts(part.own(), part.epoch);
  const SupervisedBatch batch = pack_texts(texts, num_labels(part.own(), part.epoch));
  // Alive until the backward pass, which draws the masks of checkpointed layers again.
  const TextDropout dropout(seed_, static_cast<uint64_t>(part.step), part.begin, texts);
  const at::Tensor loss = model_.loss(batch.packed, batch.supervised, &dropout).mul(weight);
  loss.backward();
  return loss.item<double>();
}

void LlamaTask::write_model(const fs::path& folder,
                            std::span<const NamedParameter> parameters) const {
  if (model_.options().lora) {
    write_adapter(folder, base_, *model_.options().lora, parameters);
  } else {
    write_tuned_model(folder, base_, model_.config(), parameters);
  }
}

}  // namespace tandem::learn
