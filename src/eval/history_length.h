// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "eval/bootstrap.h"
#include "eval/metrics.h"

namespace tandem {

// A metric over the users whose history has from `shortest` to `longest` items.
struct LengthGroup {
  int32_t shortest = 0, longest = 0;
  int64_t num_users = 0;
  double value = 0;
  Interval interval;
};

// One system's accuracy against the length of the history.
struct LengthCurve {
  std::string system, metric;
  std::vector<LengthGroup> groups = {};
};

// Where up to `groups` groups of about equal size end: each bound is the longest history of its
// group, the last one that of all. Nothing for no user.
std::vector<int32_t> length_bounds(std::vector<int32_t> lengths, int64_t groups);

// Mean and bootstrap interval of the metric in each group; groups without a user are left out, and
// lengths beyond the last bound count to the last group. ranks and lengths are parallel, one a
// user; ShapeError when they are not.
std::vector<LengthGroup> by_history_length(std::span<const int32_t> ranks,
                                           std::span<const int32_t> lengths,
                                           std::span<const int32_t> bounds, const Metric& metric,
                                           const ResamplingOptions& resampling, ThreadPool& pool);

// "3-5", or "3" when both ends are one.
std::string length_name(const LengthGroup& group);

}  // namespace tandem
