// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/eval_options.h"
#include "core/json.h"
#include "core/output.h"
#include "data/dataset.h"
#include "eval/beyond_utility.h"
#include "eval/compare.h"
#include "eval/evaluation.h"

namespace tandem {

// Systems that were evaluated on the same users, and each held against the first.
struct EvalTable {
  std::string title = {}, folder = {};
  std::vector<Evaluation> systems = {};
  std::vector<Comparison> comparisons = {};  // of the second system and those after it

  void compare_with_first(const ResamplingOptions& resampling, ThreadPool& pool);
};

// The protocol as far as the options say it.
Protocol start_protocol(const EvalOptions& options, const Dataset& dataset);
// --output, checked; nothing when it was not given.
std::optional<Output> eval_output(const EvalOptions& options);

// Two metrics a system and the verdicts, lines of at most 80 columns; with all cut-offs and
// p-values in their place when details are asked for.
void print_tables(std::span<const EvalTable> tables, bool details);
// What is beyond accuracy, and the protocol of the systems once.
void print_details(const BeyondUtility& beyond, std::span<const Evaluation> systems);
// Where the rest is.
void print_where(const EvalOptions& options);

void print_json(const Json& result);
// All metrics of all comparisons.
Json differences_json(const EvalTable& table);

// `tandem eval` with a second stage. Writes one folder a system below output/subset and output/all,
// the rest as output/beyond_utility.json, output/report.html, and with --fuse the weights as
// output/fusion.json: {"lrurec": 1.0, "likelihood": 0.25}. Finished scores are kept in
// output.scores until that is done.
void run_two_stage(const EvalOptions& options);

}  // namespace tandem
