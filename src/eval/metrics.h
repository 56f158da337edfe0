// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

// Where a held-out item stands when other items have exactly its score (docs/protocols.md).
enum class TieRule {
  kStrict,           // 1 + number of greater scores: ties count for the model
  kWorst,            // number of scores greater or equal: ties count against it
  kLowerIndexFirst,  // among equals, the lower class index comes first
};

std::string_view tie_rule_name(TieRule rule);   // "strict", "worst", "lower_index_first"
TieRule parse_tie_rule(std::string_view name);  // ConfigError lists the names

struct Rank {
  int32_t rank = 0;  // 1-based; 0 means that the item was not ranked at all (no hit at any cut-off)
  bool tied = false;      // another class has the same score
  bool excluded = false;  // not ranked because the user may not be offered it again
};

// The rank of class `target` among all scores. A NaN elsewhere counts as greater, so that it never
// helps; DataError when the target's own score is NaN, ShapeError when target is outside scores.
// O(N), one pass.
Rank rank_of(std::span<const float> scores, int32_t target, TieRule rule = TieRule::kStrict);

// One ranked user a row, in parallel arrays.
struct RankList {
  std::vector<int64_t> users;    // dense user
  std::vector<int32_t> targets;  // dense item
  std::vector<int32_t> ranks;    // 0: not ranked
  std::vector<uint8_t> tied, excluded;

  int64_t size() const { return static_cast<int64_t>(ranks.size()); }
  void reserve(int64_t num_users);
  void add(int64_t user, int32_t target, Rank rank);
  int64_t num_tied() const;
  int64_t num_excluded() const;
};

enum class MetricKind { kRecall, kMrr, kNdcg };

// One relevant item a user:
//   Recall@K = [rank <= K],  MRR@K = [rank <= K] / rank,  NDCG@K = [rank <= K] / log2(rank + 1)
struct Metric {
  MetricKind kind = MetricKind::kRecall;
  int32_t cutoff = 10;

  std::string name() const;  // "Recall@10"
  double value(int32_t rank) const;
  friend bool operator==(const Metric&, const Metric&) = default;
};

inline const std::vector<int32_t> kDefaultCutoffs = {1, 5, 10, 20, 50};

// Recall at all cut-offs, then MRR, then NDCG. ConfigError for a cut-off below 1 or one that
// repeats.
std::vector<Metric> ranking_metrics(std::span<const int32_t> cutoffs = kDefaultCutoffs);

// What each user contributes to each metric; the mean over users is the metric.
struct UserValues {
  int64_t num_users = 0;
  int64_t num_metrics = 0;
  std::vector<double> values;  // [num_users, num_metrics]

  std::span<const double> row(int64_t user) const {
    return {values.data() + user * num_metrics, static_cast<size_t>(num_metrics)};
  }
};

UserValues user_values(std::span<const int32_t> ranks, std::span<const Metric> metrics);
// The area under the ROC curve where one of n candidates is right, one column: the share of the
// others that are ranked below it, 1 - (rank - 1) / (n - 1). 0 where it was not ranked. counts are
// the n, at least 2 each; ShapeError where they do not fit.
UserValues auc_values(std::span<const int32_t> ranks, std::span<const int64_t> counts);
// a - b, user by user; ShapeError when they do not fit.
UserValues difference(const UserValues& a, const UserValues& b);

// Exact means over users (every user weighs the same, in double); 0 when there are none.
std::vector<double> means(const UserValues& values);

}  // namespace tandem
