// SPDX-License-Identifier: Apache-2.0
#include "eval/popularity.h"

#include "core/error.h"

namespace tandem {

std::vector<float> popularity_scores(std::span<const std::span<const int32_t>> train_sequences,
                                     int32_t num_items) {
  if (num_items < 0) throw ShapeError("popularity_scores: {} items", num_items);
  std::vector<int64_t> counts(static_cast<size_t>(num_items) + 1, 0);
  for (const std::span<const int32_t> sequence : train_sequences) {
    for (const int32_t item : sequence) {
      if (item < 0 || item > num_items) {
        throw DataError("popularity_scores: item {} is outside 0..{}", item, num_items);
      }
      ++counts[item];
    }
  }
  counts[0] = 0;
  std::vector<float> scores;
  scores.reserve(counts.size());
  for (const int64_t count : counts) scores.push_back(static_cast<float>(count));
  return scores;
}

}  // namespace tandem
