// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "core/thread_pool.h"
#include "eval/metrics.h"

namespace tandem {

struct ResamplingOptions {
  int64_t resamples = 2000;
  uint64_t seed = 42;
  double level = 0.95;  // of the intervals

  void validate() const;  // ConfigError
};

struct Interval {
  double low = 0, high = 0;

  bool contains(double value) const { return low <= value && value <= high; }
};

// Percentile bootstrap interval of every metric's mean: `resamples` times, as many users as there
// are are drawn with replacement and the means taken again; the interval holds the middle `level`
// of them (quantiles interpolated linearly). The users of one resample are the same for all
// metrics.
//
// Given the differences of two systems' user_values it is the paired bootstrap of the difference.
//
// Users with equal rows are counted together, so a resample costs one random number a user and not
// a row of sums. The result is a function of the values and the options alone: not of the number of
// threads, not of the users' order.
std::vector<Interval> bootstrap_intervals(const UserValues& values,
                                          const ResamplingOptions& options, ThreadPool& pool);

// Two-sided p-value of every metric under the paired sign-flip permutation test: under the
// hypothesis that A and B are exchangeable, each user's difference is as likely as its negative.
//     p = (1 + #{ |mean of flipped| >= |mean| }) / (1 + resamples)
std::vector<double> permutation_p_values(const UserValues& differences,
                                         const ResamplingOptions& options, ThreadPool& pool);

}  // namespace tandem
