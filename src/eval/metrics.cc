// SPDX-License-Identifier: Apache-2.0
#include "eval/metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace tandem {
namespace {

constexpr std::array<std::string_view, 3> kTieRules = {"strict", "worst", "lower_index_first"};
constexpr std::array<std::string_view, 3> kMetricNames = {"Recall", "MRR", "NDCG"};

}  // namespace

std::string_view tie_rule_name(TieRule rule) { return kTieRules[static_cast<size_t>(rule)]; }

TieRule parse_tie_rule(std::string_view name) {
  for (size_t i = 0; i < kTieRules.size(); ++i) {
    if (kTieRules[i] == name) return static_cast<TieRule>(i);
  }
  throw ConfigError("tie rule '{}' is unknown; expected strict, worst or lower_index_first", name);
}

Rank rank_of(std::span<const float> scores, int32_t target, TieRule rule) {
  if (target < 0 || static_cast<size_t>(target) >= scores.size()) {
    throw ShapeError("rank_of: target {} is outside the {} scored classes", target, scores.size());
  }
  const auto place = static_cast<size_t>(target);
  const float own = scores[place];
  if (std::isnan(own)) throw DataError("rank_of: the score of class {} is NaN", target);

  // 32-bit counters vectorise; classes are int32 anyway.
  int32_t greater = 0, equal_before = 0, equal_after = 0;
  for (size_t i = 0; i < place; ++i) {
    greater += !(scores[i] <= own);
    equal_before += scores[i] == own;
  }
  for (size_t i = place + 1; i < scores.size(); ++i) {
    greater += !(scores[i] <= own);
    equal_after += scores[i] == own;
  }
  Rank result{.rank = greater + 1, .tied = equal_before + equal_after > 0};
  if (rule == TieRule::kWorst) result.rank += equal_before + equal_after;
  if (rule == TieRule::kLowerIndexFirst) result.rank += equal_before;
  return result;
}

void RankList::reserve(int64_t num_users) {
  users.reserve(num_users);
  targets.reserve(num_users);
  ranks.reserve(num_users);
  tied.reserve(num_users);
  excluded.reserve(num_users);
}

void RankList::add(int64_t user, int32_t target, Rank rank) {
  users.push_back(user);
  targets.push_back(target);
  ranks.push_back(rank.rank);
  tied.push_back(rank.tied ? 1 : 0);
  excluded.push_back(rank.excluded ? 1 : 0);
}

int64_t RankList::num_tied() const { return std::accumulate(tied.begin(), tied.end(), int64_t{0}); }

int64_t RankList::num_excluded() const {
  return std::accumulate(excluded.begin(), excluded.end(), int64_t{0});
}

std::string Metric::name() const {
  return fmt::format("{}@{}", kMetricNames[static_cast<size_t>(kind)], cutoff);
}

double Metric::value(int32_t rank) const {
  if (rank < 1 || rank > cutoff) return 0;
  switch (kind) {
    case MetricKind::kRecall:
      return 1;
    case MetricKind::kMrr:
      return 1.0 / rank;
    case MetricKind::kNdcg:
      return 1.0 / std::log2(rank + 1.0);
  }
  return 0;
}

std::vector<Metric> ranking_metrics(std::span<const int32_t> cutoffs) {
  std::vector<int32_t> sorted(cutoffs.begin(), cutoffs.end());
  std::sort(sorted.begin(), sorted.end());
  if (sorted.empty())
    throw ConfigError("the list of cut-offs is empty; expected numbers such as 1,5,10");
  if (sorted.front() < 1) throw ConfigError("cut-off {} is not a positive number", sorted.front());
  const auto twin = std::adjacent_find(sorted.begin(), sorted.end());
  if (twin != sorted.end()) throw ConfigError("cut-off {} is given twice", *twin);

  std::vector<Metric> metrics;
  for (const MetricKind kind : {MetricKind::kRecall, MetricKind::kMrr, MetricKind::kNdcg}) {
    for (const int32_t cutoff : sorted) metrics.push_back({kind, cutoff});
  }
  return metrics;
}

UserValues user_values(std::span<const int32_t> ranks, std::span<const Metric> metrics) {
  UserValues result{.num_users = static_cast<int64_t>(ranks.size()),
                    .num_metrics = static_cast<int64_t>(metrics.size()),
                    .values = {}};
  result.values.reserve(ranks.size() * metrics.size());
  for (const int32_t rank : ranks) {
    for (const Metric& metric : metrics) result.values.push_back(metric.value(rank));
  }
  return result;
}

UserValues auc_values(std::span<const int32_t> ranks, std::span<const int64_t> counts) {
  if (ranks.size() != counts.size())
    throw ShapeError("auc_values: {} ranks, {} counts", ranks.size(), counts.size());
  UserValues result{.num_users = std::ssize(ranks), .num_metrics = 1, .values = {}};
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (counts[i] < 2) throw ShapeError("auc_values: {} candidates", counts[i]);
    const double above = static_cast<double>(ranks[i] - 1) / static_cast<double>(counts[i] - 1);
    result.values.push_back(ranks[i] == 0 ? 0 : 1 - above);
  }
  return result;
}

UserValues difference(const UserValues& a, const UserValues& b) {
  if (a.num_users != b.num_users || a.num_metrics != b.num_metrics) {
    throw ShapeError("difference: {} users x {} metrics against {} x {}", a.num_users,
                     a.num_metrics, b.num_users, b.num_metrics);
  }
  UserValues result = a;
  for (size_t i = 0; i < result.values.size(); ++i) result.values[i] -= b.values[i];
  return result;
}

std::vector<double> means(const UserValues& values) {
  std::vector<double> sums(values.num_metrics, 0.0);
  for (int64_t user = 0; user < values.num_users; ++user) {
    const std::span<const double> row = values.row(user);
    for (size_t m = 0; m < sums.size(); ++m) sums[m] += row[m];
  }
  if (values.num_users > 0) {
    for (double& sum : sums) sum /= static_cast<double>(values.num_users);
  }
  return sums;
}

}  // namespace tandem
