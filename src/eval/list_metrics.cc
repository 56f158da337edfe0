// SPDX-License-Identifier: Apache-2.0
#include "eval/list_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace tandem {
namespace {

constexpr double kHeadShare = 0.8;  // of all interactions

double gini(std::vector<int64_t> shown) {
  std::sort(shown.begin(), shown.end());
  const auto n = static_cast<double>(shown.size());
  double weighted = 0, total = 0;
  for (size_t j = 0; j < shown.size(); ++j) {
    weighted += (2 * static_cast<double>(j + 1) - n - 1) * static_cast<double>(shown[j]);
    total += static_cast<double>(shown[j]);
  }
  return weighted / (n * total);
}

double entropy(std::span<const int64_t> shown) {
  const auto total = static_cast<double>(std::accumulate(shown.begin(), shown.end(), int64_t{0}));
  double bits = 0;
  for (const int64_t count : shown) {
    if (count == 0) continue;
    const double share = static_cast<double>(count) / total;
    bits -= share * std::log2(share);
  }
  return bits;
}

struct Hits {
  int64_t targets = 0, found = 0;

  double rate() const { return static_cast<double>(found) / static_cast<double>(targets); }
};

std::optional<double> pop_reo(const Hits& head, const Hits& tail) {
  if (head.targets == 0 || tail.targets == 0 || head.found + tail.found == 0) return {};
  const double mean = (head.rate() + tail.rate()) / 2;
  return std::abs(head.rate() - tail.rate()) / 2 / mean;
}

}  // namespace

ItemPopularity item_popularity(std::span<const std::span<const int32_t>> train_sequences,
                               int32_t num_items) {
  if (num_items < 1) throw ShapeError("item_popularity: {} items", num_items);
  ItemPopularity popularity;
  popularity.counts.assign(static_cast<size_t>(num_items) + 1, 0);
  for (const std::span<const int32_t> sequence : train_sequences) {
    for (const int32_t item : sequence) {
      if (item < 0 || item > num_items)
        throw DataError("item_popularity: item {} is outside 0..{}", item, num_items);
      ++popularity.counts[item];
    }
    if (!sequence.empty()) ++popularity.num_users;
  }
  popularity.counts[0] = 0;
  std::vector<int32_t> order(num_items);
  std::iota(order.begin(), order.end(), 1);
  std::ranges::stable_sort(order, std::greater(),
                           [&](int32_t item) { return popularity.counts[item]; });
  const double wanted =
      kHeadShare * static_cast<double>(std::accumulate(popularity.counts.begin(),
                                                       popularity.counts.end(), int64_t{0}));
  popularity.long_tail.assign(popularity.counts.size(), 1);
  popularity.long_tail[0] = 0;
  double covered = 0;
  for (size_t i = 0; i < order.size() && covered < wanted; ++i) {
    popularity.long_tail[order[i]] = 0;
    covered += static_cast<double>(popularity.counts[order[i]]);
  }
  return popularity;
}

std::vector<ListMetric> list_metrics(std::span<const UserList> lists, int64_t k,
                                     const ItemPopularity& popularity,
                                     const ResamplingOptions& resampling, ThreadPool& pool) {
  if (k < 1) throw ShapeError("list_metrics: lists of {} items", k);
  constexpr int64_t kPerUser = 4;  // ARP, APLT, ACLT, novelty
  std::vector<int64_t> shown(popularity.num_items(), 0);
  UserValues of_users{.num_users = 0, .num_metrics = kPerUser, .values = {}};
  Hits head, tail;
  for (const UserList& list : lists) {
    const auto top =
        std::span(list.items).first(std::min(list.items.size(), static_cast<size_t>(k)));
    double sum = 0, in_tail = 0, information = 0;
    for (const int32_t item : top) {
      if (item < 1 || item > popularity.num_items())
        throw DataError("list_metrics: item {} is outside 1..{}", item, popularity.num_items());
      const auto i = static_cast<size_t>(item);
      ++shown[i - 1];
      sum += static_cast<double>(popularity.counts[i]);
      in_tail += popularity.long_tail[i];
      information += std::log2(static_cast<double>(popularity.num_users) /
                               static_cast<double>(std::max<int64_t>(1, popularity.counts[i])));
    }
    if (list.target > 0 && list.target <= popularity.num_items()) {
      Hits& group = popularity.long_tail[list.target] ? tail : head;
      ++group.targets;
      if (std::ranges::find(top, list.target) != top.end()) ++group.found;
    }
    if (top.empty()) continue;
    const auto count = static_cast<double>(top.size());
    for (const double value : {sum / count, in_tail / count, in_tail, information / count})
      of_users.values.push_back(value);
    ++of_users.num_users;
  }
  if (of_users.num_users == 0) throw DataError("list_metrics: no list holds an item");

  const auto name = [&](const char* what) { return fmt::format("{}@{}", what, k); };
  const auto seen = std::ranges::count_if(shown, [](int64_t count) { return count > 0; });
  std::vector<ListMetric> result = {
      {name("coverage"), static_cast<double>(seen) / static_cast<double>(shown.size())},
      {name("Gini"), gini(shown)},
      {name("entropy"), entropy(shown)}};
  const std::vector<double> mean = means(of_users);
  const std::vector<Interval> intervals = bootstrap_intervals(of_users, resampling, pool);
  constexpr const char* kNames[] = {"ARP", "APLT", "ACLT", "novelty"};
  for (size_t m = 0; m < mean.size(); ++m)
    result.push_back({name(kNames[m]), mean[m], intervals[m]});
  if (const auto reo = pop_reo(head, tail)) result.push_back({name("PopREO"), *reo});
  return result;
}

}  // namespace tandem
