// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "eval/candidates.h"
#include "eval/metrics.h"
#include "rank/fusion.h"

namespace tandem {

// The retriever's own scores, from its candidate file.
CandidateScores retriever_scores(std::span<const RankingSample> samples,
                                 const CandidateSet& candidates);

struct FusionWeights {
  std::vector<double> weights;  // one a scorer; the first is 1
  double value = 0;             // of the metric on the samples they were found on
};

// The weights with the greatest mean of `metric` on these samples, which must be validation ones.
// The first scorer, the retriever, has weight 1; the others each 0 or a step from 1/8 to 8 by
// factors of sqrt(2), searched one after the other until nothing improves. Of equal values the
// smaller weight wins, so a scorer that does not help gets 0.
FusionWeights find_fusion_weights(std::span<const CandidateScores> scorers,
                                  std::span<const RankingSample> samples,
                                  const Metric& metric = {MetricKind::kNdcg, 10});

}  // namespace tandem
