// SPDX-License-Identifier: Apache-2.0
#include "eval/position_bias.h"

#include <cmath>
#include <utility>

#include "core/error.h"
#include "eval/metrics.h"

namespace tandem {

PositionBias position_bias(std::string system, std::span<const PositionOutcome> outcomes,
                           int64_t places, uint64_t seed, const ResamplingOptions& resampling,
                           ThreadPool& pool) {
  const Metric metrics[] = {{MetricKind::kRecall, 1}, {MetricKind::kNdcg, 10}};
  PositionBias bias{.system = std::move(system), .seed = seed};
  bias.rows.resize(places);
  std::vector<std::vector<int32_t>> ranks(bias.rows.size());
  std::vector<int64_t> chosen(bias.rows.size(), 0);
  for (const PositionOutcome& outcome : outcomes) {
    if (outcome.truth < 0 || outcome.truth >= places || outcome.chosen < 0 ||
        outcome.chosen >= places)
      throw ShapeError("position_bias: places {} and {} of {}", outcome.truth, outcome.chosen,
                       places);
    ranks[outcome.truth].push_back(outcome.rank);
    ++chosen[outcome.chosen];
  }
  const double total = std::max(1.0, static_cast<double>(outcomes.size()));
  for (size_t place = 0; place < bias.rows.size(); ++place) {
    PositionRow& row = bias.rows[place];
    row.num_users = static_cast<int64_t>(ranks[place].size());
    row.first_choices = static_cast<double>(chosen[place]) / total;
    bias.choice_distance +=
        std::abs(row.first_choices - static_cast<double>(row.num_users) / total) / 2;
    if (ranks[place].empty()) continue;
    const UserValues values = user_values(ranks[place], metrics);
    const std::vector<double> mean = means(values);
    const std::vector<Interval> intervals = bootstrap_intervals(values, resampling, pool);
    row.recall1 = mean[0];
    row.ndcg10 = mean[1];
    row.recall1_interval = intervals[0];
    row.ndcg10_interval = intervals[1];
  }
  return bias;
}

}  // namespace tandem
