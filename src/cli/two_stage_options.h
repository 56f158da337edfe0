// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "rank/prompt.h"
#include "rank/scorers.h"

namespace tandem {

// What `tandem eval` takes for the second stage: a language model behind the retriever.
struct TwoStageOptions {
  std::string ranker;                    // letters
  std::string likelihood;                // titles' likelihood
  std::string judge;                     // HLLM's judgement
  std::string base;                      // where the ranker's base lies now
  std::vector<std::string> assignments;  // prompt.KEY=VALUE for models that bring no prompt
  int64_t permutations = 1;              // orders of the candidates that letters average over
  std::string precision = "float32";     // of the models' products
  bool fuse = false;

  bool asked() const { return !ranker.empty() || !likelihood.empty() || !judge.empty(); }
};

// All but --fuse.
void add_two_stage_options(CLI::App& verb, TwoStageOptions& options);

// prompt.KEY=VALUE assignments over what the model's folder says of its prompt.
PromptConfig prompt_for(const fs::path& model, std::span<const std::string> assignments);

SecondStageModels load_two_stage_models(const TwoStageOptions& options, const Dataset& dataset,
                                        ThreadPool& pool);

}  // namespace tandem
