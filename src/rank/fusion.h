// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/ops/matrix.h"
#include "eval/candidates.h"
#include "eval/metrics.h"
#include "offline/samples.h"

namespace tandem {

// What one scorer says of every sample's candidates, [samples, candidates] as log-probabilities
// over the candidates of the sample; -infinity beyond them. So scorers of any kind are on one
// scale.
struct CandidateScores {
  std::string name;  // "lrurec", "letters", "likelihood"
  Matrix log_probabilities;
};

// log softmax of each row over as many columns as the sample has candidates.
CandidateScores candidate_scores(std::string name, std::span<const RankingSample> samples,
                                 const Matrix& scores);
// The retriever's own, from its candidate file.
CandidateScores retriever_scores(std::span<const RankingSample> samples,
                                 const CandidateSet& candidates);

// sum_i weight_i log p_i of each candidate, [samples, candidates].
Matrix fuse(std::span<const CandidateScores> scorers, std::span<const double> weights);

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
