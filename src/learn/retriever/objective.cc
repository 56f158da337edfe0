// SPDX-License-Identifier: Apache-2.0
#include "learn/retriever/objective.h"

#include <algorithm>

#include "core/check.h"

namespace tandem::learn {

std::span<const int32_t> TrainingObjective::seen(std::span<const int32_t> history) const {
  return history.last(std::min(history.size(), static_cast<size_t>(max_length_)));
}

std::vector<int64_t> TrainingObjective::question(std::span<const int32_t> history) const {
  const std::span<const int32_t> items = seen(history);
  return {items.begin(), items.end()};
}

int64_t TrainingObjective::positions(const TrainingRow& row) const {
  return std::ssize(example(row, 0, 0).items);
}

std::vector<TrainingRow> NextItem::rows(std::span<const int32_t> sequence) const {
  return training_rows(sequence, max_length());
}

TrainingExample NextItem::example(const TrainingRow& row, int64_t, int64_t) const {
  return next_items(row);
}

std::vector<TrainingRow> NextOfPrefix::rows(std::span<const int32_t> sequence) const {
  std::vector<TrainingRow> rows;
  for (size_t length = 2; length <= sequence.size(); ++length)
    rows.push_back({sequence.first(length), max_length()});
  return rows;
}

TrainingExample NextOfPrefix::example(const TrainingRow& row, int64_t, int64_t) const {
  TANDEM_CHECK(row.items.size() >= 2);
  TrainingExample example{.items = question(row.items.first(row.items.size() - 1)), .labels = {}};
  example.labels.assign(example.items.size(), 0);
  example.labels.back() = row.items.back();
  return example;
}

}  // namespace tandem::learn
