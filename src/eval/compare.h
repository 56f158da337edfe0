// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "eval/bootstrap.h"
#include "eval/evaluation.h"

namespace tandem {

struct MetricComparison {
  std::string name;
  double a = 0, b = 0;
  double difference = 0;  // b - a
  Interval interval;      // of the difference, paired bootstrap
  double p_value = 1;     // paired sign-flip permutation test, two-sided

  // +1: b is better, -1: a is better, 0: the interval holds 0 and nothing is claimed.
  int winner() const { return interval.low > 0 ? 1 : interval.high < 0 ? -1 : 0; }
};

struct Comparison {
  std::string system_a, system_b;
  int64_t num_users = 0;
  int64_t num_differing = 0;  // users whose rank differs
  std::vector<MetricComparison> metrics;
};

// Why the two must not be compared user by user, one reason a line; empty when they may: same data,
// split, users and targets, candidate set, seen-item and tie rule. Order of the users does not
// matter.
std::vector<std::string> reasons_not_comparable(const Evaluation& a, const Evaluation& b);

// Over the metrics that both have. DataError with all reasons when not comparable.
Comparison compare(const Evaluation& a, const Evaluation& b, const ResamplingOptions& options,
                   ThreadPool& pool);

// The same over the given metrics: any follow from the ranks.
Comparison compare(const Evaluation& a, const Evaluation& b, std::span<const Metric> metrics,
                   const ResamplingOptions& options, ThreadPool& pool);

// The metrics that a person wants first: NDCG@10, which decides, and Recall@10.
std::span<const Metric> headline_metrics();

// One metric's result in words: "b is better than a: NDCG@10 +0.0030 [+0.0010, +0.0050], p =
// 0.0005", or that no difference is shown, with the interval that holds 0.
std::string verdict(const std::string& a, const std::string& b, const MetricComparison& metric);

}  // namespace tandem
