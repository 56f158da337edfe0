// SPDX-License-Identifier: Apache-2.0
#include "eval/compare.h"

#include <algorithm>
#include <unordered_map>

#include "core/error.h"

namespace tandem {
namespace {

// For each user of a, the row of the same user in b; -1 where b has none.
std::vector<int64_t> match_users(const Evaluation& a, const Evaluation& b) {
  std::unordered_map<std::string_view, int64_t> rows;
  rows.reserve(b.user_ids.size());
  for (size_t i = 0; i < b.user_ids.size(); ++i)
    rows.emplace(b.user_ids[i], static_cast<int64_t>(i));
  std::vector<int64_t> matched;
  matched.reserve(a.user_ids.size());
  for (const std::string& user : a.user_ids) {
    const auto found = rows.find(user);
    matched.push_back(found == rows.end() ? -1 : found->second);
  }
  return matched;
}

void compare_users(const Evaluation& a, const Evaluation& b, std::vector<std::string>& reasons) {
  const std::vector<int64_t> matched = match_users(a, b);
  const auto missing = std::count(matched.begin(), matched.end(), -1);
  const auto extra = b.num_users() - (a.num_users() - missing);
  if (missing > 0 || extra > 0) {
    reasons.push_back(
        fmt::format("users: {} only in the first, {} only in the second", missing, extra));
  }
  int64_t differing = 0;
  std::string example;
  for (size_t i = 0; i < matched.size(); ++i) {
    if (matched[i] < 0 || a.target_ids[i] == b.target_ids[matched[i]]) continue;
    if (differing++ == 0) {
      example = fmt::format("user '{}' has '{}' and '{}'", a.user_ids[i], a.target_ids[i],
                            b.target_ids[matched[i]]);
    }
  }
  if (differing > 0) {
    reasons.push_back(fmt::format("targets: {} users have another one ({})", differing, example));
  }
}

}  // namespace

std::vector<std::string> reasons_not_comparable(const Evaluation& a, const Evaluation& b) {
  std::vector<std::string> reasons;
  const auto expect_same = [&](std::string_view what, std::string_view left,
                               std::string_view right) {
    if (left != right) reasons.push_back(fmt::format("{}: '{}' and '{}'", what, left, right));
  };
  const Protocol &p = a.protocol, &q = b.protocol;
  expect_same("data set fingerprint", p.fingerprint, q.fingerprint);
  expect_same("split", p.split, q.split);
  expect_same("users", p.users, q.users);
  expect_same("candidate set", p.candidate_set, q.candidate_set);
  expect_same("seen items", p.seen_items, q.seen_items);
  expect_same("tie rule", tie_rule_name(p.tie_rule), tie_rule_name(q.tie_rule));
  compare_users(a, b, reasons);
  return reasons;
}

namespace {

void expect_comparable(const Evaluation& a, const Evaluation& b) {
  const std::vector<std::string> reasons = reasons_not_comparable(a, b);
  if (!reasons.empty()) {
    throw DataError("the two evaluations cannot be compared user by user; they differ in\n  {}",
                    fmt::join(reasons, "\n  "));
  }
}

}  // namespace

Comparison compare(const Evaluation& a, const Evaluation& b, const ResamplingOptions& options,
                   ThreadPool& pool) {
  expect_comparable(a, b);
  std::vector<int32_t> cutoffs;
  for (const int32_t cutoff : a.protocol.cutoffs) {
    const std::vector<int32_t>& others = b.protocol.cutoffs;
    if (std::find(others.begin(), others.end(), cutoff) != others.end()) cutoffs.push_back(cutoff);
  }
  if (cutoffs.empty()) throw DataError("the two evaluations have no cut-off in common");
  return compare(a, b, ranking_metrics(cutoffs), options, pool);
}

Comparison compare(const Evaluation& a, const Evaluation& b, std::span<const Metric> metrics,
                   const ResamplingOptions& options, ThreadPool& pool) {
  expect_comparable(a, b);
  const std::vector<int64_t> matched = match_users(a, b);
  Comparison result{.system_a = a.system,
                    .system_b = b.system,
                    .num_users = a.num_users(),
                    .num_differing = 0,
                    .metrics = {}};
  std::vector<int32_t> ranks_b;
  for (size_t i = 0; i < matched.size(); ++i) {
    ranks_b.push_back(b.ranks[matched[i]]);
    result.num_differing += ranks_b.back() != a.ranks[i];
  }
  const UserValues values_a = user_values(a.ranks, metrics),
                   values_b = user_values(ranks_b, metrics);
  const UserValues differences = difference(values_b, values_a);
  const std::vector<double> mean_a = means(values_a), mean_b = means(values_b);
  const std::vector<Interval> intervals = bootstrap_intervals(differences, options, pool);
  const std::vector<double> p_values = permutation_p_values(differences, options, pool);
  for (size_t m = 0; m < metrics.size(); ++m) {
    result.metrics.push_back({.name = metrics[m].name(),
                              .a = mean_a[m],
                              .b = mean_b[m],
                              .difference = mean_b[m] - mean_a[m],
                              .interval = intervals[m],
                              .p_value = p_values[m]});
  }
  return result;
}

std::span<const Metric> headline_metrics() {
  static constexpr Metric kHeadline[] = {{MetricKind::kNdcg, 10}, {MetricKind::kRecall, 10}};
  return kHeadline;
}

std::string verdict(const std::string& a, const std::string& b, const MetricComparison& metric) {
  const std::string interval =
      fmt::format("[{:+.4f}, {:+.4f}]", metric.interval.low, metric.interval.high);
  if (metric.winner() == 0)
    return fmt::format("No difference between {} and {} is shown: {} {:+.4f} {}, p = {:.4f}", b, a,
                       metric.name, metric.difference, interval, metric.p_value);
  return fmt::format("{} is {} than {}: {} {:+.4f} {}, p = {:.4f}", b,
                     metric.winner() > 0 ? "better" : "worse", a, metric.name, metric.difference,
                     interval, metric.p_value);
}

}  // namespace tandem
