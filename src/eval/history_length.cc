// SPDX-License-Identifier: Apache-2.0
#include "eval/history_length.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace tandem {

std::vector<int32_t> length_bounds(std::vector<int32_t> lengths, int64_t groups) {
  std::sort(lengths.begin(), lengths.end());
  const size_t count = std::min(static_cast<size_t>(std::max<int64_t>(1, groups)), lengths.size());
  std::vector<int32_t> bounds;
  for (size_t g = 1; g <= count; ++g) {
    const int32_t bound = lengths[lengths.size() * g / count - 1];
    if (bounds.empty() || bound > bounds.back()) bounds.push_back(bound);
  }
  return bounds;
}

std::vector<LengthGroup> by_history_length(std::span<const int32_t> ranks,
                                           std::span<const int32_t> lengths,
                                           std::span<const int32_t> bounds, const Metric& metric,
                                           const ResamplingOptions& resampling, ThreadPool& pool) {
  if (ranks.size() != lengths.size())
    throw ShapeError("{} history lengths for {} ranks", lengths.size(), ranks.size());
  if (bounds.empty()) return {};
  std::vector<std::vector<int32_t>> of_group(bounds.size());
  for (size_t u = 0; u < ranks.size(); ++u) {
    const auto group =
        static_cast<size_t>(std::ranges::lower_bound(bounds, lengths[u]) - bounds.begin());
    of_group[std::min(group, bounds.size() - 1)].push_back(ranks[u]);
  }
  std::vector<LengthGroup> groups;
  const int32_t first = lengths.empty() ? 0 : std::ranges::min(lengths);
  for (size_t g = 0; g < bounds.size(); ++g) {
    if (of_group[g].empty()) continue;
    const UserValues values = user_values(of_group[g], {&metric, 1});
    groups.push_back({.shortest = g == 0 ? std::min(first, bounds[0]) : bounds[g - 1] + 1,
                      .longest = bounds[g],
                      .num_users = values.num_users,
                      .value = means(values).front(),
                      .interval = bootstrap_intervals(values, resampling, pool).front()});
  }
  return groups;
}

std::string length_name(const LengthGroup& group) {
  return group.shortest == group.longest ? fmt::format("{}", group.longest)
                                         : fmt::format("{}-{}", group.shortest, group.longest);
}

}  // namespace tandem
