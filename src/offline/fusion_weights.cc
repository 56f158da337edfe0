// SPDX-License-Identifier: Apache-2.0
#include "offline/fusion_weights.h"

#include <algorithm>
#include <cmath>

#include "offline/ranker_evaluation.h"

namespace tandem {
namespace {

double mean_metric(const engine::Matrix& scores, std::span<const RankingSample> samples,
                   const Metric& metric) {
  const RankList ranks = rank_samples(samples, scores.values, scores.columns);
  double sum = 0;
  for (const int32_t rank : ranks.ranks) sum += metric.value(rank);
  return ranks.ranks.empty() ? 0 : sum / static_cast<double>(ranks.ranks.size());
}

}  // namespace

CandidateScores retriever_scores(std::span<const RankingSample> samples,
                                 const CandidateSet& candidates) {
  engine::Matrix scores(std::ssize(samples), candidates.num_candidates);
  for (int64_t r = 0; r < scores.rows; ++r) {
    const std::span row = candidates.scores_of(samples[r].user);
    std::copy(row.begin(), row.end(), scores.row(r));
  }
  return candidate_scores(candidates.retriever, samples, scores);
}

FusionWeights find_fusion_weights(std::span<const CandidateScores> scorers,
                                  std::span<const RankingSample> samples, const Metric& metric) {
  std::vector<double> steps = {0};
  for (int i = -6; i <= 6; ++i) steps.push_back(std::pow(2.0, i / 2.0));
  FusionWeights best{std::vector<double>(scorers.size(), 0.0), 0};
  best.weights.front() = 1;
  best.value = mean_metric(fuse(scorers, best.weights), samples, metric);
  for (bool gained = true; gained;) {
    gained = false;
    for (size_t s = 1; s < scorers.size(); ++s) {
      std::vector<double> weights = best.weights;
      for (const double step : steps) {
        weights[s] = step;
        const double value = mean_metric(fuse(scorers, weights), samples, metric);
        if (value <= best.value) continue;
        best = {weights, value};
        gained = true;
      }
    }
  }
  return best;
}

}  // namespace tandem
