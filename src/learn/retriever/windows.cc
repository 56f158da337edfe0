// SPDX-License-Identifier: Apache-2.0
#include "learn/retriever/windows.h"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "core/check.h"
#include "data/dataset.h"

namespace tandem::learn {

int64_t TrainingRow::length() const { return std::min(std::ssize(items), max_length); }

int64_t TrainingExample::num_labels() const {
  return std::ssize(labels) - std::ranges::count(labels, int64_t{0});
}

std::vector<TrainingRow> training_rows(std::span<const int32_t> sequence, int64_t max_length) {
  TANDEM_CHECK(max_length > 0);
  if (sequence.empty()) return {};
  const auto length = static_cast<int64_t>(sequence.size());
  if (length < 2 * max_length) return {{sequence, max_length}};
  std::vector<TrainingRow> rows;
  for (int64_t end = length; end >= max_length; end -= max_length) {
    rows.push_back({sequence.subspan(end - max_length, max_length), max_length});
  }
  return rows;
}

TrainingExample next_items(const TrainingRow& row) {
  const int64_t length = row.length(), first = std::ssize(row.items) - length;  // of the labels
  TrainingExample example;
  for (int64_t t = first; t < first + length; ++t) {
    example.items.push_back(t > 0 ? row.items[t - 1] : kPaddingItem);
    example.labels.push_back(row.items[t]);
  }
  return example;
}

PackedBatch pack(std::span<const TrainingExample> examples) {
  std::vector<int64_t> items, labels, starts = {0}, wanted;
  for (const TrainingExample& example : examples) {
    items.insert(items.end(), example.items.begin(), example.items.end());
    labels.insert(labels.end(), example.labels.begin(), example.labels.end());
    starts.push_back(std::ssize(items));
  }
  for (int64_t p = 0; p < std::ssize(labels); ++p)
    if (labels[p] != kPaddingItem) wanted.push_back(p);
  PackedBatch batch{.items = at::tensor(items, at::kLong),
                    .labels = at::tensor(labels, at::kLong),
                    .row_starts = at::tensor(starts, at::kLong)};
  if (wanted.size() < labels.size()) batch.wanted = at::tensor(wanted, at::kLong);
  return batch;
}

PackedBatch pack_questions(std::span<const std::vector<int64_t>> rows) {
  std::vector<int64_t> items, starts = {0}, last;
  for (const std::vector<int64_t>& row : rows) {
    TANDEM_CHECK(!row.empty());
    items.insert(items.end(), row.begin(), row.end());
    starts.push_back(std::ssize(items));
    last.push_back(std::ssize(items) - 1);
  }
  const at::Tensor all = at::tensor(items, at::kLong);
  return {.items = all,
          .labels = at::zeros_like(all),
          .row_starts = at::tensor(starts, at::kLong),
          .wanted = at::tensor(last, at::kLong)};
}

}  // namespace tandem::learn
