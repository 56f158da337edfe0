// SPDX-License-Identifier: Apache-2.0
#include "study/statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/rng.h"

namespace tandem {
namespace {

constexpr int32_t kMaxCutoff = 10;
constexpr size_t kNumMetrics = 6;
using Six = std::array<double, kNumMetrics>;

struct Hit {
  uint32_t user;
  int32_t rank;  // 1..kMaxCutoff
};

// A metric is linear in how many users have each rank.
const std::array<Six, kMaxCutoff + 1>& values_of_ranks() {
  static const auto table = [] {
    std::array<Six, kMaxCutoff + 1> values{};
    for (int32_t rank = 1; rank <= kMaxCutoff; ++rank) {
      for (size_t m = 0; m < kNumMetrics; ++m) values[rank][m] = study_metrics()[m].value(rank);
    }
    return values;
  }();
  return table;
}

// Means of the six metrics over users that count `weights` times each, `total` in all; NaN for
// none.
Six weighted_means(const std::vector<Hit>& hits, const std::vector<uint32_t>& weights,
                   double total) {
  std::array<double, kMaxCutoff + 1> counts{};
  for (const Hit& hit : hits) counts[hit.rank] += weights[hit.user];
  Six means{};
  for (size_t rank = 1; rank <= kMaxCutoff; ++rank) {
    for (size_t m = 0; m < kNumMetrics; ++m) means[m] += counts[rank] * values_of_ranks()[rank][m];
  }
  for (double& mean : means) mean /= total;
  return means;
}

// Who is hit, prepared once.
struct Table {
  std::vector<std::vector<std::vector<Hit>>> all, subset;  // [arm][seed]
  std::vector<std::vector<uint32_t>> members;              // [seed]
};

Table make_table(const StudyRanks& ranks) {
  Table table;
  const auto users = static_cast<size_t>(ranks.num_users);
  for (const auto& subset : ranks.subset) {
    std::vector<uint32_t>& members = table.members.emplace_back();
    for (size_t u = 0; u < users; ++u) {
      if (subset[u] != 0) members.push_back(static_cast<uint32_t>(u));
    }
  }
  for (const auto& arm : ranks.ranks) {
    auto& all = table.all.emplace_back();
    auto& subset = table.subset.emplace_back();
    for (size_t s = 0; s < arm.size(); ++s) {
      auto& hits = all.emplace_back();
      auto& inside = subset.emplace_back();
      for (size_t u = 0; u < users; ++u) {
        const int32_t rank = arm[s][u];
        if (rank < 1 || rank > kMaxCutoff) continue;
        hits.push_back({static_cast<uint32_t>(u), rank});
        if (!ranks.subset.empty() && ranks.subset[s][u] != 0) inside.push_back(hits.back());
      }
    }
  }
  return table;
}

struct Means {
  std::vector<std::vector<Six>> all, subset;  // [arm][seed]
};

Means means_of(const Table& table, const std::vector<uint32_t>& weights, double total) {
  Means means;
  const size_t arms = table.all.size();
  means.all.resize(arms);
  means.subset.resize(arms);
  for (size_t a = 0; a < arms; ++a) {
    for (const auto& hits : table.all[a])
      means.all[a].push_back(weighted_means(hits, weights, total));
  }
  for (size_t s = 0; s < table.members.size(); ++s) {
    double members = 0;
    for (const uint32_t user : table.members[s]) members += weights[user];
    for (size_t a = 0; a < arms; ++a)
      means.subset[a].push_back(weighted_means(table.subset[a][s], weights, members));
  }
  return means;
}

Six over_seeds(const std::vector<Six>& seeds) {
  Six mean{};
  for (const Six& seed : seeds) {
    for (size_t m = 0; m < kNumMetrics; ++m) mean[m] += seed[m] / static_cast<double>(seeds.size());
  }
  return mean;
}

double improvement(const Six& arm, const Six& baseline) {
  double sum = 0;
  for (size_t m = 0; m < kNumMetrics; ++m) {
    if (baseline[m] <= 0) return std::numeric_limits<double>::quiet_NaN();
    sum += 100 * (arm[m] - baseline[m]) / baseline[m];
  }
  return sum / kNumMetrics;
}

// What is resampled: per arm and metric the means over seeds, and the improvements.
struct Resample {
  std::vector<Six> all, subset;
  std::vector<double> improvements;
};

Resample summary(const Means& means, const std::vector<std::pair<size_t, size_t>>& compare) {
  Resample result;
  for (const auto& seeds : means.all) result.all.push_back(over_seeds(seeds));
  for (const auto& seeds : means.subset)
    if (!seeds.empty()) result.subset.push_back(over_seeds(seeds));
  for (const auto& [arm, baseline] : compare)
    result.improvements.push_back(improvement(result.all[arm], result.all[baseline]));
  return result;
}

Interval percentiles(std::vector<double> values, double level) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  if (values.empty()) return {};
  std::ranges::sort(values);
  const auto quantile = [&](double share) {
    const double at = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<size_t>(at);
    const size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
  };
  return {quantile((1 - level) / 2), quantile((1 + level) / 2)};
}

std::vector<StudyEstimate> estimates(const std::vector<Six>& seeds,
                                     const std::vector<Resample>& resamples,
                                     std::vector<Six> Resample::*part, size_t arm, double level) {
  std::vector<StudyEstimate> list(kNumMetrics);
  const Six mean = over_seeds(seeds);
  for (size_t m = 0; m < kNumMetrics; ++m) {
    StudyEstimate& estimate = list[m];
    estimate.mean = mean[m];
    double squares = 0;
    for (const Six& seed : seeds) {
      estimate.per_seed.push_back(seed[m]);
      squares += (seed[m] - mean[m]) * (seed[m] - mean[m]);
    }
    if (seeds.size() > 1) estimate.sd = std::sqrt(squares / static_cast<double>(seeds.size() - 1));
    std::vector<double> values;
    for (const Resample& resample : resamples) values.push_back((resample.*part)[arm][m]);
    estimate.interval = percentiles(std::move(values), level);
  }
  return list;
}

// What each user adds to the difference averaged over seeds, so that the mean over users is it.
UserValues user_differences(const StudyRanks& ranks, size_t arm, size_t baseline, bool subset) {
  UserValues values{
      .num_users = ranks.num_users, .num_metrics = static_cast<int64_t>(kNumMetrics), .values = {}};
  const auto users = static_cast<size_t>(ranks.num_users);
  values.values.assign(users * kNumMetrics, 0.0);
  for (size_t s = 0; s < static_cast<size_t>(ranks.num_seeds); ++s) {
    double share = 1.0;
    if (subset) {
      const auto members =
          std::ranges::count_if(ranks.subset[s], [](uint8_t in) { return in != 0; });
      share = static_cast<double>(users) / static_cast<double>(members);
    }
    share /= static_cast<double>(ranks.num_seeds);
    for (size_t u = 0; u < users; ++u) {
      if (subset && ranks.subset[s][u] == 0) continue;
      for (size_t m = 0; m < kNumMetrics; ++m) {
        const Metric& metric = study_metrics()[m];
        values.values[u * kNumMetrics + m] += share * (metric.value(ranks.ranks[arm][s][u]) -
                                                       metric.value(ranks.ranks[baseline][s][u]));
      }
    }
  }
  return values;
}

std::vector<StudyDifference> differences_of(const std::vector<Resample>& resamples,
                                            const Resample& point, std::vector<Six> Resample::*part,
                                            size_t arm, size_t baseline,
                                            const std::vector<double>& p_values, double level) {
  std::vector<StudyDifference> list(kNumMetrics);
  for (size_t m = 0; m < kNumMetrics; ++m) {
    std::vector<double> values;
    for (const Resample& resample : resamples)
      values.push_back((resample.*part)[arm][m] - (resample.*part)[baseline][m]);
    list[m] = {.difference = (point.*part)[arm][m] - (point.*part)[baseline][m],
               .interval = percentiles(std::move(values), level),
               .p_value = p_values[m]};
  }
  return list;
}

}  // namespace

const std::vector<Metric>& study_metrics() {
  static const std::vector<Metric> metrics = {{MetricKind::kMrr, 5},    {MetricKind::kNdcg, 5},
                                              {MetricKind::kRecall, 5}, {MetricKind::kMrr, 10},
                                              {MetricKind::kNdcg, 10},  {MetricKind::kRecall, 10}};
  return metrics;
}

void StudyRanks::validate() const {
  if (num_users < 1 || num_seeds < 1 || arms.empty() || ranks.size() != arms.size())
    throw ShapeError("study: {} users, {} seeds, {} arms with {} tables of ranks", num_users,
                     num_seeds, arms.size(), ranks.size());
  if (num_users > std::numeric_limits<uint32_t>::max())
    throw DataError("{} users are more than resampling can index", num_users);
  const auto check = [&](size_t found, int64_t wanted, const char* what) {
    if (found != static_cast<size_t>(wanted))
      throw ShapeError("study: {} {}, expected {}", found, what, wanted);
  };
  for (const auto& arm : ranks) {
    check(arm.size(), num_seeds, "seeds of an arm");
    for (const auto& seed : arm) check(seed.size(), num_users, "ranks");
  }
  if (!subset.empty()) {
    check(subset.size(), num_seeds, "subsets");
    check(in_subset.size(), std::ssize(arms), "marks of arms in the subset");
  }
  for (const auto& seed : subset) {
    check(seed.size(), num_users, "marks of the subset");
    if (std::ranges::all_of(seed, [](uint8_t in) { return in == 0; }))
      throw DataError("study: the subset of one seed has no user");
  }
}

StudyStatistics study_statistics(const StudyRanks& ranks,
                                 const std::vector<std::pair<size_t, size_t>>& compare,
                                 const ResamplingOptions& options, ThreadPool& pool) {
  ranks.validate();
  options.validate();
  const Table table = make_table(ranks);
  const auto users = static_cast<size_t>(ranks.num_users);
  const Means means = means_of(table, std::vector<uint32_t>(users, 1), static_cast<double>(users));
  const Resample point = summary(means, compare);

  std::vector<Resample> resamples(options.resamples);
  pool.parallel_for(options.resamples, [&](int64_t r, int) {
    Rng rng(options.seed, RngPurpose::kBootstrap, 0, static_cast<uint64_t>(r));
    std::vector<uint32_t> weights(users, 0);
    for (size_t i = 0; i < users; ++i) ++weights[rng.below(users)];
    resamples[r] = summary(means_of(table, weights, static_cast<double>(users)), compare);
  });

  StudyStatistics result;
  const bool has_subset = !ranks.subset.empty();
  for (size_t a = 0; a < ranks.arms.size(); ++a) {
    result.all.push_back(estimates(means.all[a], resamples, &Resample::all, a, options.level));
    if (!has_subset) continue;
    result.subset.push_back(
        ranks.stands_in_subset(a)
            ? estimates(means.subset[a], resamples, &Resample::subset, a, options.level)
            : std::vector<StudyEstimate>());
  }
  for (size_t c = 0; c < compare.size(); ++c) {
    const size_t arm = compare[c].first, baseline = compare[c].second;
    StudyComparison comparison{.arm = arm,
                               .baseline = baseline,
                               .all = {},
                               .subset = {},
                               .improvement = std::nullopt,
                               .improvement_interval = {},
                               .improvement_per_seed = {}};
    const auto part = [&](std::vector<Six> Resample::*values, bool subset) {
      const auto p_values =
          permutation_p_values(user_differences(ranks, arm, baseline, subset), options, pool);
      return differences_of(resamples, point, values, arm, baseline, p_values, options.level);
    };
    comparison.all = part(&Resample::all, false);
    if (ranks.stands_in_subset(arm) && ranks.stands_in_subset(baseline))
      comparison.subset = part(&Resample::subset, true);
    if (!std::isnan(point.improvements[c])) comparison.improvement = point.improvements[c];
    std::vector<double> values;
    for (const Resample& resample : resamples) values.push_back(resample.improvements[c]);
    comparison.improvement_interval = percentiles(std::move(values), options.level);
    for (size_t s = 0; s < static_cast<size_t>(ranks.num_seeds); ++s)
      comparison.improvement_per_seed.push_back(
          improvement(means.all[arm][s], means.all[baseline][s]));
    result.comparisons.push_back(std::move(comparison));
  }
  return result;
}

}  // namespace tandem
