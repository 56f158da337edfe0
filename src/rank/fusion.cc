// SPDX-License-Identifier: Apache-2.0
#include "rank/fusion.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/error.h"

namespace tandem {
namespace {

constexpr float kNone = -std::numeric_limits<float>::infinity();

int64_t most_candidates(std::span<const RankingSample> samples) {
  size_t most = 0;
  for (const RankingSample& sample : samples) most = std::max(most, sample.candidates.size());
  return static_cast<int64_t>(most);
}

}  // namespace

CandidateScores candidate_scores(std::string name, std::span<const RankingSample> samples,
                                 const engine::Matrix& scores) {
  if (scores.rows != std::ssize(samples))
    throw ShapeError("{}: scores of {} samples, expected {}", name, scores.rows, samples.size());
  engine::Matrix result(scores.rows, most_candidates(samples));
  std::fill(result.values.begin(), result.values.end(), kNone);
  for (int64_t r = 0; r < scores.rows; ++r) {
    const int64_t count = std::ssize(samples[r].candidates);
    if (count < 1 || count > scores.columns)
      throw ShapeError("{}: {} candidates, scores for {}", name, count, scores.columns);
    const float *in = scores.row(r), *end = in + count;
    const double top = *std::max_element(in, end);
    double sum = 0;
    for (const float* x = in; x < end; ++x) sum += std::exp(*x - top);
    float* out = result.row(r);
    for (int64_t c = 0; c < count; ++c) out[c] = static_cast<float>(in[c] - top - std::log(sum));
  }
  return {std::move(name), std::move(result)};
}

engine::Matrix fuse(std::span<const CandidateScores> scorers, std::span<const double> weights) {
  if (scorers.empty() || scorers.size() != weights.size())
    throw ShapeError("fusion of {} scorers with {} weights", scorers.size(), weights.size());
  const engine::Matrix& first = scorers.front().log_probabilities;
  engine::Matrix sum(first.rows, first.columns);
  for (size_t s = 0; s < scorers.size(); ++s) {
    const engine::Matrix& scores = scorers[s].log_probabilities;
    if (scores.rows != sum.rows || scores.columns != sum.columns)
      throw ShapeError("fusion: {} scores [{}, {}], {} [{}, {}]", scorers[s].name, scores.rows,
                       scores.columns, scorers.front().name, sum.rows, sum.columns);
    if (weights[s] == 0) continue;  // 0 x -infinity is no number
    for (size_t i = 0; i < sum.values.size(); ++i)
      sum.values[i] += static_cast<float>(weights[s] * scores.values[i]);
  }
  return sum;
}

}  // namespace tandem
