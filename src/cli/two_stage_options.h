// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "eval/bootstrap.h"

namespace tandem {

// What `tandem eval` takes for the second stage: a language model behind the retriever.
struct TwoStageOptions {
  std::string ranker;                    // letters
  std::string likelihood;                // titles' likelihood
  std::string base;                      // where the ranker's base lies now
  std::vector<std::string> assignments;  // prompt.KEY=VALUE for models that bring no prompt
  bool fuse = false;

  bool asked() const { return !ranker.empty() || !likelihood.empty(); }
};

void add_two_stage_options(CLI::App& verb, TwoStageOptions& options);

// The rest of what `tandem eval` was told.
struct TwoStageTask {
  std::string dataset, retriever, output, split;
  ResamplingOptions resampling;
  int threads = 0;
  bool json = false, overwrite = false;
};

// Evaluates, prints and writes one folder a system below output/subset and output/all.
void run_two_stage(const TwoStageTask& task, const TwoStageOptions& options);

}  // namespace tandem
