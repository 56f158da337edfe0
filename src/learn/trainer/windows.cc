// SPDX-License-Identifier: Apache-2.0
#include "learn/trainer/windows.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "core/check.h"
#include "data/dataset.h"

namespace tandem {
namespace {

PackedBatch empty_batch(int64_t positions, int64_t rows) {
  return {.items = at::empty({positions}, at::kLong),
          .labels = at::zeros({positions}, at::kLong),
          .row_starts = at::empty({rows + 1}, at::kLong)};
}

}  // namespace

int64_t TrainingRow::length() const {
  return std::min(static_cast<int64_t>(items.size()), max_length);
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

PackedBatch pack_rows(std::span<const TrainingRow> rows) {
  int64_t positions = 0;
  for (const TrainingRow& row : rows) positions += row.length();
  PackedBatch batch = empty_batch(positions, static_cast<int64_t>(rows.size()));
  int64_t* items = batch.items.data_ptr<int64_t>();
  int64_t* labels = batch.labels.data_ptr<int64_t>();
  int64_t* starts = batch.row_starts.data_ptr<int64_t>();
  int64_t at = 0;
  for (const TrainingRow& row : rows) {
    *starts++ = at;
    const int64_t length = row.length();
    const int64_t first = static_cast<int64_t>(row.items.size()) - length;  // of the labels
    for (int64_t t = 0; t < length; ++t, ++at) {
      labels[at] = row.items[first + t];
      items[at] = first + t > 0 ? row.items[first + t - 1] : kPaddingItem;
    }
  }
  *starts = at;
  return batch;
}

PackedBatch pack_histories(std::span<const std::span<const int32_t>> histories,
                           int64_t max_length) {
  const auto length_of = [&](std::span<const int32_t> history) {
    return std::min(static_cast<int64_t>(history.size()), max_length);
  };
  int64_t positions = 0;
  for (const auto history : histories) {
    TANDEM_CHECK(!history.empty());
    positions += length_of(history);
  }
  PackedBatch batch = empty_batch(positions, static_cast<int64_t>(histories.size()));
  int64_t* items = batch.items.data_ptr<int64_t>();
  int64_t* starts = batch.row_starts.data_ptr<int64_t>();
  int64_t at = 0;
  for (const auto history : histories) {
    *starts++ = at;
    for (const int32_t item : history.last(length_of(history))) items[at++] = item;
  }
  *starts = at;
  return batch;
}

}  // namespace tandem
