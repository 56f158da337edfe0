// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "eval/bootstrap.h"
#include "rank/fusion.h"
#include "rank/ranker.h"

namespace tandem {

// What `tandem eval` takes for the second stage: a language model behind the retriever.
struct TwoStageOptions {
  std::string ranker;                    // letters
  std::string likelihood;                // titles' likelihood
  std::string base;                      // where the ranker's base lies now
  std::vector<std::string> assignments;  // prompt.KEY=VALUE for models that bring no prompt
  std::string precision = "float32";     // of the models' products
  bool fuse = false;

  bool asked() const { return !ranker.empty() || !likelihood.empty(); }
};

// All but --fuse.
void add_two_stage_options(CLI::App& verb, TwoStageOptions& options);

struct TwoStageModels {
  std::unique_ptr<Ranker> letters = {}, likelihood = {};  // null when not asked for
  int64_t num_candidates = 0;                             // K, the ranker's

  // What each says of the samples' candidates.
  std::vector<CandidateScores> scores(const Dataset& dataset,
                                      std::span<const RankingSample> samples,
                                      ThreadPool& pool) const;
};

TwoStageModels load_two_stage_models(const TwoStageOptions& options);

// The rest of what `tandem eval` was told.
struct TwoStageTask {
  std::string dataset, retriever, output, split;
  ResamplingOptions resampling;
  int threads = 0;
  bool json = false, overwrite = false;
};

// Evaluates, prints and writes one folder a system below output/subset and output/all, and with
// --fuse the weights as output/fusion.json: {"lrurec": 1.0, "likelihood": 0.25}.
void run_two_stage(const TwoStageTask& task, const TwoStageOptions& options);

}  // namespace tandem
