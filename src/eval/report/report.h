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

// A training run as its run.json and metrics.jsonl tell it.
struct ReportedRun {
  std::string name;
  Json info = Json::object();
  std::vector<Json> lines = {};
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

// Everything as one HTML page that loads nothing from anywhere. Evaluations that may be compared
// user by user share a block: the verdict in words and as dot plots of the differences to the first
// one, a table of metrics with intervals, Recall against the cut-off, NDCG@10 against the history's
// length (users in up to five groups of about equal size, with bootstrap intervals), and one
// paragraph of the protocol. Blocks of all users come first. Then what goes beyond accuracy, with
// examples, and the curves of training. ShapeError when history_lengths does not fit.
std::string html_report(const Report& report, ThreadPool& pool);

}  // namespace tandem
