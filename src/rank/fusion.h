// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/ops/matrix.h"
#include "rank/ranking_sample.h"

namespace tandem {

// What one scorer says of every sample's candidates, [samples, candidates] as log-probabilities
// over the candidates of the sample; -infinity beyond them. So scorers of any kind are on one
// scale.
struct CandidateScores {
  std::string name;  // "lrurec", "letters", "likelihood"
  engine::Matrix log_probabilities;
};

// log softmax of each row over as many columns as the sample has candidates.
CandidateScores candidate_scores(std::string name, std::span<const RankingSample> samples,
                                 const engine::Matrix& scores);
// sum_i weight_i log p_i of each candidate, [samples, candidates].
engine::Matrix fuse(std::span<const CandidateScores> scorers, std::span<const double> weights);

}  // namespace tandem
