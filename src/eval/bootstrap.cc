// SPDX-License-Identifier: Apache-2.0
#include "eval/bootstrap.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "core/rng.h"

namespace tandem {
namespace {

// Users with equal rows. A metric takes one value per rank up to its cut-off, so there are few
// groups.
struct Groups {
  int64_t num_metrics = 0;
  std::vector<double> rows;       // [groups, num_metrics], ascending
  std::vector<int64_t> counts;    // users in each group
  std::vector<uint32_t> of_user;  // group of the users, who are sorted by group

  int64_t size() const { return static_cast<int64_t>(counts.size()); }
};

Groups group_users(const UserValues& values) {
  if (values.num_users > std::numeric_limits<uint32_t>::max()) {
    throw DataError("{} users are more than resampling can index", values.num_users);
  }
  std::vector<uint32_t> order(values.num_users);
  std::iota(order.begin(), order.end(), 0U);
  const auto less = [&](uint32_t a, uint32_t b) {
    const auto left = values.row(a), right = values.row(b);
    return std::lexicographical_compare(left.begin(), left.end(), right.begin(), right.end());
  };
  std::sort(order.begin(), order.end(), less);

  Groups groups{.num_metrics = values.num_metrics, .rows = {}, .counts = {}, .of_user = {}};
  groups.of_user.reserve(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || less(order[i - 1], order[i])) {
      const auto row = values.row(order[i]);
      groups.rows.insert(groups.rows.end(), row.begin(), row.end());
      groups.counts.push_back(0);
    }
    ++groups.counts.back();
    groups.of_user.push_back(static_cast<uint32_t>(groups.size() - 1));
  }
  return groups;
}

// Uniform in [0, bound) from 32 bits, without bias (Lemire, "Fast Random Integer Generation in an
// Interval").
uint32_t draw_below(Rng& rng, uint32_t bound) {
  uint64_t product = uint64_t{rng.next_u32()} * bound;
  auto low = static_cast<uint32_t>(product);
  if (low < bound) [[unlikely]] {
    const uint32_t threshold = (0U - bound) % bound;
    while (low < threshold) {
      product = uint64_t{rng.next_u32()} * bound;
      low = static_cast<uint32_t>(product);
    }
  }
  return static_cast<uint32_t>(product >> 32);
}

// Heads among `tosses` fair coins.
int64_t count_heads(Rng& rng, int64_t tosses) {
  int64_t heads = 0;
  for (; tosses >= 64; tosses -= 64) heads += std::popcount(rng.next_u64());
  if (tosses > 0) heads += std::popcount(rng.next_u64() >> (64 - tosses));
  return heads;
}

// sums[m] = sum over groups of weight x row.
void add_rows(const Groups& groups, std::span<const int64_t> weights, double* sums) {
  std::fill(sums, sums + groups.num_metrics, 0.0);
  for (int64_t g = 0; g < groups.size(); ++g) {
    if (weights[g] == 0) continue;
    const auto weight = static_cast<double>(weights[g]);
    const double* row = groups.rows.data() + g * groups.num_metrics;
    for (int64_t m = 0; m < groups.num_metrics; ++m) sums[m] += weight * row[m];
  }
}

// Linear interpolation between order statistics.
double quantile(std::span<const double> sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

void ResamplingOptions::validate() const {
  if (resamples < 1 || resamples > 1'000'000) {
    throw ConfigError("resamples is {}; expected 1 to 1000000", resamples);
  }
  if (!(level > 0 && level < 1)) throw ConfigError("level is {}; expected between 0 and 1", level);
}

std::vector<Interval> bootstrap_intervals(const UserValues& values,
                                          const ResamplingOptions& options, ThreadPool& pool) {
  options.validate();
  const int64_t num_metrics = values.num_metrics;
  if (values.num_users == 0) return std::vector<Interval>(num_metrics);
  const Groups groups = group_users(values);
  const auto num_users = static_cast<uint32_t>(values.num_users);

  std::vector<double> sums(options.resamples * num_metrics);  // [resamples, metrics]
  std::vector<std::vector<int64_t>> drawn(pool.size(), std::vector<int64_t>(groups.size()));
  pool.parallel_for(options.resamples, [&](int64_t resample, int worker) {
    std::vector<int64_t>& counts = drawn[worker];
    std::fill(counts.begin(), counts.end(), 0);
    Rng rng(options.seed, RngPurpose::kBootstrap, 0, static_cast<uint64_t>(resample));
    for (uint32_t i = 0; i < num_users; ++i) ++counts[groups.of_user[draw_below(rng, num_users)]];
    add_rows(groups, counts, sums.data() + resample * num_metrics);
  });

  std::vector<Interval> intervals;
  std::vector<double> column(options.resamples);
  const double tail = (1 - options.level) / 2;
  for (int64_t m = 0; m < num_metrics; ++m) {
    for (int64_t r = 0; r < options.resamples; ++r)
      column[r] = sums[r * num_metrics + m] / num_users;
    std::sort(column.begin(), column.end());
    intervals.push_back({quantile(column, tail), quantile(column, 1 - tail)});
  }
  return intervals;
}

std::vector<double> permutation_p_values(const UserValues& differences,
                                         const ResamplingOptions& options, ThreadPool& pool) {
  options.validate();
  const int64_t num_metrics = differences.num_metrics;
  if (differences.num_users == 0) return std::vector<double>(num_metrics, 1.0);
  const Groups groups = group_users(differences);
  std::vector<double> observed(num_metrics);
  add_rows(groups, groups.counts, observed.data());
  // Sums of the same numbers in another grouping differ in their last bits; they count as equal.
  double scale = 0;
  for (const double value : differences.values) scale += std::abs(value);
  const double slack = 1e-12 * scale;

  std::vector<uint8_t> extreme(options.resamples * num_metrics);  // [resamples, metrics]
  std::vector<std::vector<int64_t>> signs(pool.size(), std::vector<int64_t>(groups.size()));
  pool.parallel_for(options.resamples, [&](int64_t resample, int worker) {
    Rng rng(options.seed, RngPurpose::kPermutation, 0, static_cast<uint64_t>(resample));
    // Of n users with the same difference, n - heads keep their sign and heads change it.
    for (int64_t g = 0; g < groups.size(); ++g) {
      signs[worker][g] = groups.counts[g] - 2 * count_heads(rng, groups.counts[g]);
    }
    std::vector<double> sums(num_metrics);
    add_rows(groups, signs[worker], sums.data());
    for (int64_t m = 0; m < num_metrics; ++m) {
      extreme[resample * num_metrics + m] = std::abs(sums[m]) >= std::abs(observed[m]) - slack;
    }
  });

  std::vector<double> p_values;
  for (int64_t m = 0; m < num_metrics; ++m) {
    int64_t count = 0;
    for (int64_t r = 0; r < options.resamples; ++r) count += extreme[r * num_metrics + m];
    p_values.push_back((1.0 + static_cast<double>(count)) /
                       (1.0 + static_cast<double>(options.resamples)));
  }
  return p_values;
}

}  // namespace tandem
