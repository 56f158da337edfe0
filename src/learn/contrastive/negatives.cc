// SPDX-License-Identifier: Apache-2.0
#include "learn/contrastive/negatives.h"

#include <algorithm>

#include "core/check.h"
#include "core/error.h"
#include "core/rng.h"

namespace tandem::learn {
namespace {

bool holds(std::span<const int32_t> items, int32_t item) {
  return std::ranges::find(items, item) != items.end();
}

// Drawing again ends only where an item is left to be drawn.
void check_some_left(std::span<const int32_t> avoided, int64_t num_items, std::string_view whose) {
  if (std::ssize(avoided) < num_items) return;
  std::vector<int32_t> distinct(avoided.begin(), avoided.end());
  std::ranges::sort(distinct);
  const auto count = std::unique(distinct.begin(), distinct.end()) - distinct.begin();
  if (count >= num_items)
    throw DataError("negatives: all of the {} items are among {}, expected one that is not",
                    num_items, whose);
}

std::vector<int32_t> newest(std::vector<int32_t> items, int64_t count) {
  if (std::ssize(items) > count) items.erase(items.begin(), items.end() - count);
  return items;
}

}  // namespace

ContrastiveRow draw_row(const UserSequence& sample, const NegativeOptions& options, int64_t number,
                        int64_t epoch) {
  ContrastiveRow row{.shown = sample.last(options.max_length + 1), .padding = {}, .negatives = {}};
  int64_t count = options.per_row > 0 ? options.per_row : row.num_transitions();
  if (options.per_transition > 0) count = options.per_transition * row.num_transitions();
  if (count == 0) return row;
  check_some_left(sample.items, options.num_items, "a sample's");
  std::vector<int32_t> avoided(sample.items.begin(), sample.items.end());
  std::ranges::sort(avoided);
  Rng rng(options.seed, RngPurpose::kNegatives, static_cast<uint32_t>(epoch),
          static_cast<uint64_t>(number));
  while (std::ssize(row.negatives) < count) {
    const auto item = static_cast<int32_t>(1 + rng.below(static_cast<uint64_t>(options.num_items)));
    if (!std::ranges::binary_search(avoided, item)) row.negatives.push_back(item);
  }
  return row;
}

CompatLoader::CompatLoader(std::span<const UserSequence> samples, const Options& options)
    : samples_(samples), options_(options) {
  const auto at_least_one = [](std::string_view what, int64_t value) {
    if (value < 1) throw ConfigError("compat loader: {} is {}, expected 1 or more", what, value);
  };
  at_least_one("the number of items", options_.num_items);
  at_least_one("the longest row", options_.max_length);
  at_least_one("the batch", options_.batch);
  at_least_one("the number of workers", options_.workers);
}

int64_t CompatLoader::num_batches() const {
  return (std::ssize(samples_) + options_.batch - 1) / options_.batch;
}

const std::vector<int64_t>& CompatLoader::order(int64_t epoch) {
  if (epoch != epoch_) begin(epoch);
  return order_;
}

CompatLoader::Worker CompatLoader::fresh_worker(int64_t worker) const {
  return {PythonRandom(options_.seed + static_cast<uint64_t>(worker)), worker};
}

void CompatLoader::begin(int64_t epoch) {
  epoch_ = epoch;
  order_ = torch_randperm(std::ssize(samples_), static_cast<uint64_t>(epoch));
  workers_.clear();
  for (int64_t worker = 0; worker < options_.workers; ++worker)
    workers_.push_back(fresh_worker(worker));
}

int32_t CompatLoader::draw_item(PythonRandom& random, std::span<const int32_t> avoided) const {
  int64_t item = random.randint(1, options_.num_items);
  while (holds(avoided, static_cast<int32_t>(item))) item = random.randint(1, options_.num_items);
  return static_cast<int32_t>(item);
}

ContrastiveRow CompatLoader::draw(PythonRandom& random, const UserSequence& sample) const {
  const int64_t length = options_.max_length + 1, k = std::ssize(sample.items);
  if (k < length || k > 1) check_some_left(sample.items, options_.num_items, "a sample's");
  ContrastiveRow row{.shown = sample.last(length), .padding = {}, .negatives = {}};
  std::vector<int32_t> drawn;
  for (int64_t i = 0; i < k - 1; ++i) drawn.push_back(draw_item(random, sample.items));
  for (int64_t i = k; i < length; ++i) row.padding.push_back(draw_item(random, sample.items));
  if (options_.per_row > 0) {
    std::vector<int32_t> avoided;
    if (options_.avoid_row) {
      avoided = row.padding;
      avoided.insert(avoided.end(), row.shown.items.begin(), row.shown.items.end());
      check_some_left(avoided, options_.num_items, "a padded row's");
    }
    for (int64_t i = 0; i < options_.per_row; ++i)
      row.negatives.push_back(draw_item(random, avoided));
    return row;
  }
  check_some_left(drawn, options_.num_items, "a row's negatives");
  for (int64_t i = std::ssize(drawn); i < length; ++i)
    row.negatives.push_back(draw_item(random, drawn));
  row.negatives.insert(row.negatives.end(), drawn.begin(), drawn.end());
  row.negatives = newest(std::move(row.negatives), length);
  return row;
}

std::vector<ContrastiveRow> CompatLoader::batch(int64_t epoch, int64_t number) {
  TANDEM_CHECK(number >= 0 && number < num_batches(), "batch {} of {}", number, num_batches());
  if (epoch != epoch_) begin(epoch);
  Worker& worker = workers_[number % options_.workers];
  if (worker.next > number) worker = fresh_worker(number % options_.workers);
  std::vector<ContrastiveRow> rows;
  for (; worker.next <= number; worker.next += options_.workers) {
    rows.clear();
    const int64_t begin = worker.next * options_.batch;
    const int64_t end = std::min(begin + options_.batch, std::ssize(order_));
    for (int64_t i = begin; i < end; ++i) rows.push_back(draw(worker.random, samples_[order_[i]]));
  }
  return rows;
}

}  // namespace tandem::learn
