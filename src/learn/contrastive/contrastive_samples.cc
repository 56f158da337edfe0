// SPDX-License-Identifier: Apache-2.0
#include "learn/contrastive/contrastive_samples.h"

#include <algorithm>
#include <numeric>

#include "core/sha256.h"

namespace tandem::learn {

ContrastiveSamples::ContrastiveSamples(const Dataset& dataset, const SampleOptions& options)
    : options_(options),
      negatives_{.num_items = dataset.num_items(),
                 .max_length = options.max_length,
                 .per_row = options.negatives,
                 .per_transition = options.negatives_a_transition,
                 .seed = options.seed} {
  const UserOrder order = options.compat ? UserOrder::kFirstInteraction : UserOrder::kDataset;
  samples_ = user_chunks(training_sequences(dataset, options.folds, order), options.max_length,
                         options.split);
  if (!options.compat) {
    std::erase_if(samples_, [](const UserSequence& sample) { return sample.items.size() < 2; });
    return;
  }
  CompatLoader::Options loader;
  static_cast<NegativeOptions&>(loader) = negatives_;
  loader.batch = options.rows_a_step;
  loader_ = std::make_unique<CompatLoader>(samples_, loader);
}

int64_t ContrastiveSamples::num_items(int64_t sample) const {
  return std::min(std::ssize(samples_[sample].items), options_.max_length + 1);
}

std::optional<std::vector<int64_t>> ContrastiveSamples::order(int64_t epoch) const {
  if (!loader_) return {};
  return loader_->order(epoch);
}

bool ContrastiveSamples::is_step(std::span<const int64_t> samples, int64_t epoch,
                                 int64_t step) const {
  const std::vector<int64_t>& all = loader_->order(epoch);
  const int64_t begin = step % loader_->num_batches() * options_.rows_a_step;
  const int64_t count = std::min(options_.rows_a_step, std::ssize(all) - begin);
  return std::ranges::equal(samples, std::span(all).subspan(begin, count));
}

std::vector<ContrastiveRow> ContrastiveSamples::rows(std::span<const int64_t> samples,
                                                     int64_t epoch, int64_t step) const {
  if (loader_ && is_step(samples, epoch, step))
    return loader_->batch(epoch, step % loader_->num_batches());
  std::vector<ContrastiveRow> rows;
  for (const int64_t sample : samples)
    rows.push_back(draw_row(samples_[sample], negatives_, sample, epoch));
  return rows;
}

std::string ContrastiveSamples::first_epoch() const {
  std::vector<int64_t> all(samples_.size());
  std::iota(all.begin(), all.end(), 0);
  if (loader_) all = loader_->order(0);
  Sha256 sha;
  const int64_t at_once = loader_ ? options_.rows_a_step : std::ssize(all);
  for (int64_t begin = 0, step = 0; begin < std::ssize(all); begin += at_once, ++step) {
    const int64_t count = std::min(at_once, std::ssize(all) - begin);
    for (const ContrastiveRow& row : rows(std::span(all).subspan(begin, count), 0, step)) {
      sha.add(std::as_bytes(row.shown.items));
      sha.add(std::as_bytes(std::span(row.negatives)));
    }
  }
  return sha.hex();
}

}  // namespace tandem::learn
