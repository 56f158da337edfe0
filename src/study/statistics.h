// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/thread_pool.h"
#include "eval/bootstrap.h"
#include "eval/metrics.h"

namespace tandem {

// The paper's six: MRR, NDCG and Recall at 5, then at 10.
const std::vector<Metric>& study_metrics();

// Ranks of the same users by every arm with every seed. With a subset, for each seed which users
// are in it, and which arms stand there.
struct StudyRanks {
  int64_t num_users = 0, num_seeds = 0;
  std::vector<std::string> arms;
  std::vector<std::vector<std::vector<int32_t>>> ranks;  // [arm][seed][user]; 0: no hit anywhere
  std::vector<std::vector<uint8_t>> subset;              // [seed][user], or empty
  std::vector<uint8_t> in_subset;                        // [arm], or empty

  // Whether the arm has numbers on the subset.
  bool stands_in_subset(size_t arm) const { return !subset.empty() && in_subset[arm] != 0; }

  void validate() const;  // ShapeError; DataError for a subset without users
};

// Of one metric and arm.
struct StudyEstimate {
  std::vector<double> per_seed;
  double mean = 0;    // over the seeds
  Interval interval;  // of the mean
  double sd = 0;      // over the seeds, sample standard deviation; 0 for one seed
};

// Of one metric, arm - baseline.
struct StudyDifference {
  double difference = 0;
  Interval interval;
  double p_value = 1;
};

struct StudyComparison {
  size_t arm = 0, baseline = 0;
  std::vector<StudyDifference> all, subset;  // by metric; subset empty unless both stand there
  // Mean of (arm - baseline) / baseline over the six metrics of all users, in per cent, of the
  // means over seeds; nothing when a metric of the baseline is 0.
  std::optional<double> improvement;
  Interval improvement_interval;
  std::vector<double> improvement_per_seed;  // NaN where a metric of the baseline is 0
};

struct StudyStatistics {
  std::vector<std::vector<StudyEstimate>> all;     // [arm][metric]
  std::vector<std::vector<StudyEstimate>> subset;  // the same, empty for arms that are not in it
  std::vector<StudyComparison> comparisons;
};

// Intervals are one percentile bootstrap over users for everything: a resample draws users with
// replacement, each brings its ranks by every arm with every seed, and all means, differences and
// improvements are taken again. On the subset a user counts for the seeds in which it is a member;
// a resample without a member of some seed's subset does not count there, nor one whose baseline
// has no hit for the improvement.
// The p-value is a sign-flip permutation test over users of the difference averaged over seeds, on
// the subset with each seed's difference divided by the number of its members. Both speak about
// other users, not about other seeds: the seeds' spread is sd. A function of its arguments alone,
// on any number of threads.
StudyStatistics study_statistics(const StudyRanks& ranks,
                                 const std::vector<std::pair<size_t, size_t>>& compare,
                                 const ResamplingOptions& options, ThreadPool& pool);

}  // namespace tandem
