// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "eval/report/page.h"
#include "eval/report/report.h"

namespace tandem {

// Curves of training: loss, validation, gradient norm. Runs share a chart only when they are of one
// kind (retriever, ranker, base model), on one data set and validated on as many users: a ranker is
// validated on the users whose item was retrieved, a retriever on all. Nothing without runs.
std::string training_section(std::span<const ReportedRun> runs, SystemColours& colours);

}  // namespace tandem
