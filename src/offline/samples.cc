// SPDX-License-Identifier: Apache-2.0
#include "offline/samples.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/check.h"
#include "core/error.h"
#include "core/rng.h"
#include "engine/retriever.h"
#include "offline/batches.h"
#include "offline/full_ranking.h"
#include "rank/catalogue.h"
#include "rank/history.h"

namespace tandem {
namespace {

RankingSample start_sample(const Dataset& dataset, const TrainingPrefix& prefix) {
  return {.user = prefix.user, .history = oldest(dataset, prefix.user, prefix.length - 1)};
}

int32_t answer_of(const Dataset& dataset, const TrainingPrefix& prefix) {
  return train_items(dataset, prefix.user)[static_cast<size_t>(prefix.length) - 1];
}

int64_t place_of(std::span<const int32_t> items, int32_t item) {
  return std::ranges::find(items, item) - items.begin();
}

// Draws for one sample; of epoch e the counter's word holds e, so epochs are told apart up to 2^32.
Rng sample_rng(uint64_t seed, int64_t epoch, int64_t number) {
  return Rng(seed, RngPurpose::kNegatives, static_cast<uint32_t>(epoch),
             static_cast<uint64_t>(number));
}

}  // namespace

std::vector<TrainingPrefix> training_prefixes(const Dataset& dataset) {
  std::vector<TrainingPrefix> prefixes;
  for (int64_t user = 0; user < dataset.num_users(); ++user) {
    for (int64_t length = 2; length <= std::ssize(train_items(dataset, user)); ++length)
      prefixes.push_back({user, length});
  }
  return prefixes;
}

RankingSample uniform_sample(const Dataset& dataset, const TrainingPrefix& prefix, int64_t count,
                             uint64_t seed, int64_t epoch, int64_t number) {
  RankingSample sample = start_sample(dataset, prefix);
  const int32_t answer = answer_of(dataset, prefix);
  std::vector<int32_t> known(sample.history.begin(), sample.history.end());
  known.push_back(answer);
  std::ranges::sort(known);
  known.erase(std::unique(known.begin(), known.end()), known.end());
  if (std::ssize(known) >= dataset.num_items())
    throw DataError("user '{}' knows all {} items: there are no negatives",
                    dataset.user_id(prefix.user), dataset.num_items());
  Rng rng = sample_rng(seed, epoch, number);
  sample.candidates.push_back(answer);
  while (std::ssize(sample.candidates) < count) {
    const auto item =
        static_cast<int32_t>(1 + rng.below(static_cast<uint64_t>(dataset.num_items())));
    if (!std::ranges::binary_search(known, item)) sample.candidates.push_back(item);
  }
  rng.shuffle(std::span(sample.candidates));
  sample.answer = place_of(sample.candidates, answer);
  return sample;
}

std::string PrefixCandidates::describe() const {
  const int64_t all = std::ssize(answer_rank), found = all - std::ranges::count(answer_rank, 0);
  const auto percent = [](int64_t part, int64_t whole) {
    return 100.0 * static_cast<double>(part) / static_cast<double>(std::max<int64_t>(1, whole));
  };
  return fmt::format(
      "answer in the top {} in {:.1f} % of {} training prompts, and first in {:.1f} % of those",
      num_candidates, percent(found, all), all, percent(std::ranges::count(answer_rank, 1), found));
}

PrefixCandidates retrieve_for_prefixes(const fs::path& path, const Dataset& dataset,
                                       std::span<const TrainingPrefix> prefixes, int64_t k,
                                       ThreadPool& pool) {
  const auto retriever = open_retriever(path, dataset).retriever;
  PrefixCandidates result{.num_candidates = k};
  result.items.resize(prefixes.size() * static_cast<size_t>(k));
  result.answer_rank.resize(prefixes.size());
  in_batches({"retrieving for training", "samples", "stopped while retrieving for training"},
             std::ssize(prefixes), [&](int64_t begin, int64_t end) {
               std::vector<engine::History> histories;
               for (int64_t i = begin; i < end; ++i)
                 histories.push_back(start_sample(dataset, prefixes[i]).history);
               const auto lists = retriever->top_k(histories, k, engine::SeenItems::kWindow, pool);
               for (int64_t i = begin; i < end; ++i) {
                 const int32_t answer = answer_of(dataset, prefixes[i]);
                 const std::vector<engine::ScoredItem>& list = lists[i - begin];
                 for (int64_t place = 0; place < std::ssize(list); ++place) {
                   result.items[i * k + place] = list[place].item;
                   if (list[place].item == answer)
                     result.answer_rank[i] = static_cast<int32_t>(place + 1);
                 }
               }
             });
  return result;
}

RankingSample retrieved_sample(const Dataset& dataset, const TrainingPrefix& prefix,
                               std::span<const int32_t> candidates, bool shuffled, uint64_t seed,
                               int64_t epoch, int64_t number) {
  RankingSample sample = start_sample(dataset, prefix);
  const int32_t answer = answer_of(dataset, prefix);
  const auto end = std::ranges::find(candidates, kPaddingItem);
  sample.candidates.assign(candidates.begin(), end);
  if (std::ranges::find(sample.candidates, answer) == sample.candidates.end()) {
    if (std::ssize(sample.candidates) == std::ssize(candidates)) sample.candidates.pop_back();
    sample.candidates.push_back(answer);
  }
  if (shuffled) {
    Rng rng = sample_rng(seed, epoch, number);
    rng.shuffle(std::span(sample.candidates));
  }
  sample.answer = place_of(sample.candidates, answer);
  return sample;
}

void check_same_data(const CandidateSet& candidates, const Dataset& dataset) {
  if (candidates.fingerprint != dataset.fingerprint())
    throw DataError("the candidates are of another data set (fingerprint {}, {} has {})",
                    candidates.fingerprint, dataset.folder().string(), dataset.fingerprint());
  if (candidates.num_users != dataset.num_users() || candidates.num_items != dataset.num_items())
    throw DataError("candidates of {} users and {} items, the data set has {} and {}",
                    candidates.num_users, candidates.num_items, dataset.num_users(),
                    dataset.num_items());
}

std::vector<RankingSample> subset_samples(const Dataset& dataset, const CandidateSet& candidates,
                                          int64_t num_candidates) {
  check_same_data(candidates, dataset);
  const Split split = parse_split(candidates.split);
  std::vector<RankingSample> samples;
  for (int64_t user = 0; user < dataset.num_users(); ++user) {
    const auto target = target_item(dataset, user, split);
    if (!target) continue;
    if (*target != candidates.target[user])
      throw DataError("user '{}': the candidates' held-out item is {}, the data set's is {}",
                      dataset.user_id(user), candidates.target[user], *target);
    const auto row = candidates.items_of(user);
    const auto shown = row.first(std::min(row.size(), static_cast<size_t>(num_candidates)));
    const int64_t answer = place_of(shown, *target);
    if (answer == std::ssize(shown)) continue;
    samples.push_back({.user = user,
                       .history = history_of(dataset, user, split),
                       .candidates = {shown.begin(), std::ranges::find(shown, kPaddingItem)},
                       .answer = answer});
  }
  return samples;
}

CandidateSet load_candidates(const fs::path& file_or_run, const Dataset& dataset, Split split,
                             int64_t k, ThreadPool& pool, std::optional<engine::SeenItems> seen) {
  if (!fs::is_directory(file_or_run)) {
    CandidateSet set = read_candidates(file_or_run);
    if (set.split != split_name(split))
      throw DataError("{}: candidates of the {} split, expected {}", file_or_run.string(),
                      set.split, split_name(split));
    check_same_data(set, dataset);
    if (seen && set.seen_items != engine::seen_items_name(*seen))
      throw DataError(
          "{}: its candidates exclude by the rule '{}', asked for is '{}'; `tandem "
          "retrieve --exclude` makes others",
          file_or_run.string(), set.seen_items, engine::seen_items_name(*seen));
    return set;
  }
  const auto retriever = open_retriever(file_or_run, dataset).retriever;
  return rank_users(*retriever, dataset, split, k, seen.value_or(engine::SeenItems::kWindow), pool)
      .candidates;
}

}  // namespace tandem
