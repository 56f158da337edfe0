// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/json.h"
#include "core/thread_pool.h"
#include "study/fairness.h"
#include "study/statistics.h"
#include "study/study_config.h"

namespace tandem {

struct StudyTable {
  std::string dataset, fingerprint;
  std::vector<int64_t> seeds;
  StudyRanks ranks;
  StudyStatistics statistics;
  std::vector<FairnessTable> fairness;  // one a seed
  // Settings of the arms' rankers that differ, as "train.lr: 0.0001 in a; 0.001 in b": they may,
  // and a reader should know them.
  std::vector<std::string> differing_settings;

  std::vector<size_t> subset_arms() const;  // those that stand in the subset, in order
  // One sentence: which arms stand among all users only, and why; empty when all are in the subset
  // or there is none.
  std::string subset_note() const;
};

struct StudyResult {
  StudyConfig config;
  std::vector<StudyTable> tables;  // one a data set
  std::string recipe;              // one line: how the numbers are made

  // Everything, with the published figures beside ours.
  Json to_json() const;
  // For the terminal: fairness first, then per data set the metrics and the comparisons.
  std::string text() const;
  // One HTML page that loads nothing, with a picture of the arms.
  std::string html() const;
};

// Reads the results of the plan's finished steps, proves that they may be compared, and compares
// them. DataError with every difference when they may not.
StudyResult make_study_result(const StudyConfig& config, const StudyPlan& plan, ThreadPool& pool);

}  // namespace tandem
