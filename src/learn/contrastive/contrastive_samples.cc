// SPDX-License-Identifier: Apache-2.0
#include "learn/contrastive/contrastive_samples.h"

#include <algorithm>
#include <numeric>

#include "core/check.h"
#include "core/sha256.h"

namespace tandem::learn {

ContrastiveSamples::ContrastiveSamples(const Dataset& dataset, const SampleOptions& options)
    : options_(options),
      negatives_{.num_items = dataset.num_items(),
                 .max_length = options.max_length,
                 .per_row = options.negatives,
                 .seed = options.seed} {
  const UserOrder order = options.compat ? UserOrder::kFirstInteraction : UserOrder::kDataset;
  samples_ = user_chunks(training_sequences(dataset, {}, order), options.max_length, options.split);
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

std::vector<ContrastiveRow> ContrastiveSamples::rows(std::span<const int64_t> samples,
                                                     int64_t epoch, int64_t step) const {
  if (loader_) {
    std::vector<ContrastiveRow> rows = loader_->batch(epoch, step % loader_->num_batches());
    TANDEM_CHECK(rows.size() == samples.size());
    return rows;
  }
  std::vector<ContrastiveRow> rows;
  for (const int64_t sample : samples)
    rows.push_back(draw_row(samples_[sample], negatives_, sample, epoch));
  return rows;
}

std::string ContrastiveSamples::first_epoch() const {
  std::vector<int64_t> all(samples_.size());
  std::iota(all.begin(), all.end(), 0);
  Sha256 sha;
  const auto add = [&](std::span<const int64_t> samples, int64_t step) {
    for (const ContrastiveRow& row : rows(samples, 0, step)) {
      sha.add(std::as_bytes(row.shown.items));
      sha.add(std::as_bytes(std::span(row.negatives)));
    }
  };
  if (!loader_) {
    add(all, 0);
    return sha.hex();
  }
  for (int64_t step = 0; step < loader_->num_batches(); ++step) {
    const int64_t begin = step * options_.rows_a_step;
    const int64_t count = std::min(options_.rows_a_step, std::ssize(all) - begin);
    add(std::span(all).subspan(begin, count), step);
  }
  return sha.hex();
}

}  // namespace tandem::learn
