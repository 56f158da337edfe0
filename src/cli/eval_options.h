// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cli/two_stage_options.h"
#include "core/file.h"
#include "engine/retriever.h"
#include "eval/bootstrap.h"
#include "eval/metrics.h"
#include "eval/user_sample.h"
#include "offline/beyond.h"

namespace tandem {

// What `tandem eval` was told.
struct EvalOptions {
  std::string dataset, retriever, baseline, output, split = "test", exclude = "window";
  std::vector<int32_t> cutoffs = kDefaultCutoffs;
  int64_t max_length = RetrieverModelConfig{}.max_length;
  int64_t users = 0;  // of the sample; 0: all
  ResamplingOptions resampling;
  int threads = 0;
  bool json = false, details = false, overwrite = false, resume = false;
  TwoStageOptions second;
  BeyondOptions beyond;
  bool generate = false;
  int64_t generate_users = 50;

  std::set<std::string> given;  // the options that stood on the command line, as "--exclude"

  bool has(const std::string& option) const { return given.contains(option); }
  UserSample sample() const { return {.size = users, .seed = resampling.seed}; }
  // The rule that was asked for, if one was.
  std::optional<engine::SeenItems> seen() const;
  // What the output must not lie on.
  std::vector<fs::path> inputs() const;
};

void add_eval_options(CLI::App& verb, EvalOptions& options);

// UsageError for an option that would have no effect beside the others, naming what it needs, and
// for values that can be seen to be wrong before anything is opened. Fills in what follows from
// others.
void check_eval_options(const CLI::App& verb, EvalOptions& options);

}  // namespace tandem
