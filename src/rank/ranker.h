// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/thread_pool.h"
#include "engine/llama/llama.h"
#include "rank/prompt.h"
#include "rank/verbalizer.h"
#include "tokenizer/tokenizer.h"

namespace tandem {

using PromptIds = std::vector<int32_t>;
// Called with rows [0, done) of the scores finished.
using ScoreProgress = std::function<void(int64_t done, const engine::Matrix& scores)>;

// A Llama that ranks candidates by the logits of their index letters, one forward pass a prompt.
// Safe for concurrent use with a pool each.
class Ranker {
 public:
  Ranker(std::shared_ptr<const engine::Llama> model, std::shared_ptr<const Tokenizer> tokenizer,
         PromptConfig config);

  const PromptConfig& config() const { return config_; }
  const TitleCutter& cutter() const { return cutter_; }
  const PromptEncoder& encoder() const { return encoder_; }
  const Verbalizer& verbalizer() const { return verbalizer_; }
  const engine::Llama& model() const { return *model_; }

  // [prompts, num_candidates]: the letters' logits at each prompt's last position. Prompts are
  // packed in their order, at most about 4,096 tokens at once; after each pack on_progress sees how
  // many are done and their rows. Bits depend on where the packs begin: from the first prompt on,
  // or from one that began a pack.
  engine::Matrix score(std::span<const PromptIds> prompts, ThreadPool& pool,
                       const ScoreProgress& on_progress = {}) const;

 private:
  std::shared_ptr<const engine::Llama> model_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  PromptConfig config_;
  TitleCutter cutter_;
  PromptEncoder encoder_;
  Verbalizer verbalizer_;
};

// softmax over the first `count` letters.
std::vector<double> letter_probabilities(std::span<const float> scores, int64_t count);

// A ranker's run folder, or any folder or GGUF file of the Llama family with the default prompt (or
// the given one). base: where the run's base model lies now, if it was moved. DataError when its
// tokenizer is another one.
Ranker load_ranker(const fs::path& run_or_base, const PromptConfig& fallback = {},
                   const fs::path& base = {}, Precision precision = Precision::kFloat32);

}  // namespace tandem
