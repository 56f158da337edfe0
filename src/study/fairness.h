// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "eval/evaluation.h"
#include "study/plan.h"

namespace tandem {

// What one arm really read, taken from its results and not from the configuration. A fact that an
// arm does not have (a retriever alone has no prompts) is not in its list.
struct CellProof {
  std::string arm;
  using Fact = std::pair<std::string, std::string>;  // name, value (mostly a SHA-256)
  std::vector<Fact> equal;                           // must be the same in all arms that have it
  std::vector<Fact> recorded;                        // may differ: tokenizer, base
};

// One data set and seed.
struct FairnessTable {
  std::string dataset;
  int64_t seed = 0;
  std::vector<CellProof> arms;
};

// What a study's results say of one cell: ranks of all users and of the subset, if it has one.
struct CellResult {
  Evaluation all, subset;
  bool has_subset = false;
};

CellResult read_cell(const StudyConfig& config, const StudyPlan& plan, const StudyCell& cell);

// Collects what every step's results say it read (its facts), beside what only ranks and candidate
// files show:
//   data set, evaluated users and their held-out items, rules of ranking
//   candidates of valid and test, users of the subset
//   title text, prompts of the evaluation as text
//   training samples of the first epoch (history, candidates, answer)
// DataError when an arm's own results contradict each other or the study (a run with another seed
// or data set, an evaluation of other candidates or users, a ranker that was trained on other
// titles), and when a run or an evaluation of an older version has no facts.
FairnessTable prove_fairness(const StudyConfig& config, const StudyPlan& plan, size_t dataset,
                             size_t seed, const std::vector<CellResult>& results);

// One line for every fact that differs, with who has which value; empty when the arms are equal.
std::vector<std::string> differences(const FairnessTable& table);

// Facts as rows, "equal in all N arms" or the values.
std::string fairness_text(const FairnessTable& table);

}  // namespace tandem
