// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/output.h"
#include "core/thread_pool.h"
#include "eval/beyond_utility.h"
#include "eval/evaluation.h"

namespace tandem {

// A training run as its metrics.jsonl tells it.
struct ReportedRun {
  std::string name;
  std::vector<Json> lines;
};

struct Report {
  std::string title;
  std::vector<ReportedRun> runs = {};
  std::vector<Evaluation> evaluations = {};
  // Per evaluation and user, the number of interactions before the target; empty: not drawn.
  std::vector<std::vector<int32_t>> history_lengths = {};
  std::vector<BeyondUtility> beyond = {};
};

// A page of html_report.
extern const OutputKind kReportPage;

inline constexpr const char* kReportFile = "report.html";

// Everything as one HTML page that loads nothing from anywhere: the protocol, a table of metrics
// with intervals, Recall against the cut-off, NDCG@10 against the history's length (users in up to
// five groups of about equal size, with bootstrap intervals), one such block for each set of users
// ("all", "valid retrieval"); what goes beyond accuracy, with examples; the curves of training.
std::string html_report(const Report& report, ThreadPool& pool);

}  // namespace tandem
