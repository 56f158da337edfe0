// SPDX-License-Identifier: Apache-2.0
#include "offline/count_cooccurrence.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"

namespace tandem {
namespace {

constexpr int64_t kItemsAtOnce = 1024;  // between two looks for a signal

// Lists of numbers end to end.
struct Lists {
  std::vector<int64_t> ends;
  std::vector<int32_t> values;

  std::span<const int32_t> at(int64_t i) const {
    const int64_t begin = i > 0 ? ends[i - 1] : 0;
    return std::span(values).subspan(begin, ends[i] - begin);
  }
};

// Of each user the different items that count.
Lists items_of_users(const Dataset& dataset) {
  Lists lists;
  for (int64_t user = 0; user < dataset.num_users(); ++user) {
    const std::span<const int32_t> items = train_items(dataset, user);
    const auto begin = std::ssize(lists.values);
    lists.values.insert(lists.values.end(), items.begin(), items.end());
    std::sort(lists.values.begin() + begin, lists.values.end());
    lists.values.erase(std::unique(lists.values.begin() + begin, lists.values.end()),
                       lists.values.end());
    lists.ends.push_back(std::ssize(lists.values));
  }
  return lists;
}

// Of each item 0..N its users.
Lists users_of_items(const Lists& items, int64_t num_items) {
  Lists lists{.ends = std::vector<int64_t>(static_cast<size_t>(num_items) + 1, 0),
              .values = std::vector<int32_t>(items.values.size())};
  for (const int32_t item : items.values) ++lists.ends[item];
  int64_t before = 0;
  for (int64_t& end : lists.ends) before += std::exchange(end, before);  // where each begins
  for (int64_t user = 0; user < std::ssize(items.ends); ++user)
    for (const int32_t item : items.at(user))
      lists.values[lists.ends[item]++] = static_cast<int32_t>(user);
  return lists;
}

struct Row {
  std::vector<int32_t> items;
  std::vector<float> similarities;
};

// counts [N + 1]: users in common with one item; all zeros between two rows.
Row count_row(int64_t item, const Lists& items, const Lists& users, std::vector<int32_t>& counts) {
  Row row;
  for (const int32_t user : users.at(item))
    for (const int32_t other : items.at(user))
      if (counts[other]++ == 0) row.items.push_back(other);
  std::ranges::sort(row.items);
  const auto own = static_cast<double>(users.at(item).size());
  for (const int32_t other : row.items) {
    const auto others = static_cast<double>(users.at(other).size());
    row.similarities.push_back(
        static_cast<float>(std::exchange(counts[other], 0) / std::sqrt(own * others)));
  }
  return row;
}

}  // namespace

Cooccurrence count_cooccurrence(const Dataset& dataset, ThreadPool& pool) {
  const int64_t num_items = dataset.num_items();
  const Lists items = items_of_users(dataset), users = users_of_items(items, num_items);
  std::vector<Row> rows(static_cast<size_t>(num_items));
  std::vector<std::vector<int32_t>> counts(
      pool.size(), std::vector<int32_t>(static_cast<size_t>(num_items) + 1, 0));
  Progress progress("counting users in common", num_items, "items");
  for (int64_t begin = 0; begin < num_items; begin += kItemsAtOnce) {
    if (interrupted())
      throw Stopped("counting users in common: stopped after {} of {} items", begin, num_items);
    const int64_t some = std::min(kItemsAtOnce, num_items - begin);
    pool.parallel_for(some, [&](int64_t i, int worker) {
      rows[begin + i] = count_row(begin + i + 1, items, users, counts[worker]);
    });
    progress.update(begin + some);
  }
  progress.finish();

  std::vector<int64_t> ends;
  int64_t pairs = 0;
  for (const Row& row : rows) ends.push_back(pairs += std::ssize(row.items));
  std::vector<int32_t> all;
  std::vector<float> similarities;
  all.reserve(static_cast<size_t>(pairs));
  similarities.reserve(static_cast<size_t>(pairs));
  for (Row& row : rows) {
    all.insert(all.end(), row.items.begin(), row.items.end());
    similarities.insert(similarities.end(), row.similarities.begin(), row.similarities.end());
    row = {};
  }
  return {std::move(ends), std::move(all), std::move(similarities)};
}

}  // namespace tandem
