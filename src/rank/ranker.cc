// SPDX-License-Identifier: Apache-2.0
#include "rank/ranker.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/error.h"
#include "formats/run_folder.h"
#include "models/token_packs.h"
#include "rank/ranker_files.h"
#include "tokenizer/files.h"

namespace tandem {
namespace {}  // namespace

Ranker::Ranker(std::shared_ptr<const engine::Llama> model,
               std::shared_ptr<const Tokenizer> tokenizer, PromptConfig config)
    : model_(std::move(model)),
      tokenizer_(std::move(tokenizer)),
      config_(std::move(config)),
      cutter_(config_, *tokenizer_),
      encoder_(*tokenizer_, config_),
      verbalizer_(make_verbalizer(encoder_, config_)) {
  for (const int32_t id : verbalizer_.ids) {
    if (id >= model_->config().vocab_size)
      throw DataError("the tokenizer gives a letter token {}, the model knows {} tokens", id,
                      model_->config().vocab_size);
  }
}

engine::Matrix Ranker::score(std::span<const PromptIds> prompts, ThreadPool& pool,
                             const ScoreProgress& on_progress) const {
  engine::Matrix scores(std::ssize(prompts), std::ssize(verbalizer_.ids));
  std::vector<int64_t> lengths;
  for (const PromptIds& prompt : prompts) {
    if (prompt.empty()) throw ShapeError("prompt {} has no token", lengths.size());
    lengths.push_back(std::ssize(prompt));
  }
  for (const auto& [begin, end] : token_packs(lengths)) {
    PromptIds tokens;
    std::vector<engine::LlamaSequence> sequences;
    for (int64_t i = begin; i < end; ++i) {
      tokens.insert(tokens.end(), prompts[i].begin(), prompts[i].end());
      sequences.push_back({lengths[i]});
    }
    const engine::Matrix last = model_->hidden(model_->embed(tokens), sequences, 1, pool);
    const engine::Matrix part = model_->logits(last, verbalizer_.ids, pool);
    std::copy(part.values.begin(), part.values.end(), scores.row(begin));
    if (on_progress) on_progress(end, scores);
  }
  return scores;
}

std::vector<double> letter_probabilities(std::span<const float> scores, int64_t count) {
  const auto used = scores.first(std::min(scores.size(), static_cast<size_t>(count)));
  std::vector<double> result(used.size());
  const double top = used.empty() ? 0 : *std::max_element(used.begin(), used.end());
  double sum = 0;
  for (size_t i = 0; i < used.size(); ++i) sum += result[i] = std::exp(used[i] - top);
  for (double& probability : result) probability /= sum;
  return result;
}

namespace {

Ranker load_base(const fs::path& path, const PromptConfig& prompt, Precision precision) {
  prompt.validate();
  return Ranker(std::make_shared<engine::Llama>(path, fs::path(), precision), load_tokenizer(path),
                prompt);
}

Ranker load_run(const fs::path& run, const fs::path& other_base, Precision precision) {
  const RankerFiles files = read_ranker_files(run);
  const bool tuned = !files.model.empty();
  const fs::path base = other_base.empty() ? fs::path(files.base) : other_base;
  const fs::path folder = tuned ? run / files.model : base;
  if (!fs::exists(folder))
    throw IoError("{}: its {} {} is not there{}", run.string(), tuned ? "model" : "base model",
                  folder.string(), tuned ? "" : "; --base names where it is now");
  if (tokenizer_fingerprint(folder) != files.tokenizer_sha256)
    throw DataError("{}: {} has another tokenizer than the ranker was trained with", run.string(),
                    folder.string());
  const fs::path adapter = tuned ? fs::path() : run / files.adapter;
  Ranker ranker(std::make_shared<engine::Llama>(folder, adapter, precision), load_tokenizer(folder),
                files.prompt);
  if (ranker.verbalizer().ids != files.label_ids)
    throw DataError("{}: the label ids in ranker.json are not those of {}'s tokenizer",
                    run.string(), folder.string());
  return ranker;
}

}  // namespace

Ranker load_ranker(const fs::path& path, const PromptConfig& fallback, const fs::path& base,
                   Precision precision) {
  warn_if_untrained(path);
  return is_ranker_run(path) ? load_run(path, base, precision)
                             : load_base(path, fallback, precision);
}

}  // namespace tandem
