// SPDX-License-Identifier: Apache-2.0
// What the checkers of HLLM and of its ID baselines share.
#pragma once

#include <ATen/core/Tensor.h>

#include <cmath>
#include <string>

#include "core/json.h"
#include "formats/safetensors.h"
#include "oracle/report.h"

namespace tandem::learn {

// The greater, or NaN where one is: a NaN must not pass for no error.
inline double worse(double a, double b) { return std::isnan(b) || b > a ? b : a; }

// nce_samples and nce_topK_acc as the authors log them of a batch, against what was found: the mean
// number of logits that are left, and of each position 1 + the negatives that score above the
// target; infinity where a K is logged that there is not, or the other way round.
double logged_difference(double survivors, const at::Tensor& ranks, int64_t logits,
                         const Json& logged, const std::string& where);

// Scores of all items [B, N + 1] against "SPLIT.scores", "SPLIT.excluded", "SPLIT.topk" and
// "SPLIT.target" of the file, and the Recall and NDCG that follow against the authors'.
void check_ranking(at::Tensor scores, const SafetensorsFile& file, const std::string& split,
                   const Json& authors, OracleReport& report);

}  // namespace tandem::learn
