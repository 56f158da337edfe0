// SPDX-License-Identifier: Apache-2.0
#include "learn/retriever/cloze.h"

#include <algorithm>
#include <set>

#include "core/rng.h"

namespace tandem::learn {

Cloze::Cloze(const ClozeOptions& options)
    : TrainingObjective(options.max_length), options_(options) {}

std::vector<TrainingRow> Cloze::rows(std::span<const int32_t> sequence) const {
  return training_rows(sequence, max_length());
}

TrainingExample Cloze::example(const TrainingRow& row, int64_t sample, int64_t epoch) const {
  Rng rng(options_.seed, RngPurpose::kSampling, static_cast<uint32_t>(epoch),
          static_cast<uint64_t>(sample));
  const int64_t count = std::ssize(row.items), cut = count - row.length();
  TrainingExample example;
  std::set<int32_t> hidden;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t item = row.items[i];
    int64_t shown = item, label = 0;
    const bool full = options_.most > 0 && std::ssize(hidden) >= options_.most;
    if (!full && !hidden.contains(item)) {
      const double p =
          options_.probability + (i + 1 == count ? 0.1 * (1 - options_.probability) : 0.0);
      const double drawn = rng.uniform() / p;
      if (drawn < 1) {
        hidden.insert(item);
        label = item;
        if (drawn < 0.8) {
          shown = mask();
        } else if (drawn < 0.9) {
          shown = static_cast<int64_t>(1 + rng.below(static_cast<uint64_t>(options_.num_items)));
        }
      }
    }
    if (i < cut) continue;
    example.items.push_back(shown);
    example.labels.push_back(label);
  }
  return example;
}

std::span<const int32_t> Cloze::seen(std::span<const int32_t> history) const {
  return history.last(std::min(history.size(), static_cast<size_t>(max_length() - 1)));
}

std::vector<int64_t> Cloze::question(std::span<const int32_t> history) const {
  std::vector<int64_t> inputs = TrainingObjective::question(history);
  inputs.push_back(mask());
  return inputs;
}

}  // namespace tandem::learn
