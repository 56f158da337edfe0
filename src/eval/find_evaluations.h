// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/file.h"

namespace tandem {

// An evaluation's folder and what tells it from others in one place.
struct FoundEvaluation {
  fs::path folder;
  std::string system, users;
  std::string rules;  // equal for evaluations that `compare` may take together
};

// Whether the folder itself is one evaluation (metrics.json and ranks.tsv).
bool is_evaluation(const fs::path& folder);

// The evaluations at or below a folder, by path; five levels deep, as a study has them. Folders
// that cannot be read as evaluations are left out.
std::vector<FoundEvaluation> find_evaluations(const fs::path& folder);

// Throws unless the folder is one evaluation: a UsageError that names the evaluations it holds and
// shows how to compare two of them, or a DataError that it holds none. IoError when it is not
// there.
void expect_evaluation(const fs::path& folder);

}  // namespace tandem
