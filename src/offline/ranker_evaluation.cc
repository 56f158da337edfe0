// SPDX-License-Identifier: Apache-2.0
#include "offline/ranker_evaluation.h"

#include <unordered_map>

#include "core/error.h"

namespace tandem {
namespace {

int32_t target_of(const RankingSample& sample) { return sample.candidates[sample.answer]; }

Rank retriever_rank(const CandidateSet& candidates, int64_t user) {
  const int32_t rank = candidates.rank[user];
  if (rank > candidates.num_items) return {};  // the retriever does not know the item: a miss
  return {.rank = rank, .excluded = rank == 0};
}

}  // namespace

RankList rank_samples(std::span<const RankingSample> samples, std::span<const float> scores,
                      int64_t columns) {
  if (std::ssize(scores) != std::ssize(samples) * columns)
    throw ShapeError("{} scores for {} samples of {} columns", scores.size(), samples.size(),
                     columns);
  RankList list;
  list.reserve(std::ssize(samples));
  for (size_t i = 0; i < samples.size(); ++i) {
    const RankingSample& sample = samples[i];
    if (std::ssize(sample.candidates) > columns)
      throw ShapeError("{} candidates, the ranker has {} letters", sample.candidates.size(),
                       columns);
    const auto row = scores.subspan(i * static_cast<size_t>(columns), sample.candidates.size());
    list.add(sample.user, target_of(sample), rank_of(row, static_cast<int32_t>(sample.answer)));
  }
  return list;
}

RankList retriever_ranks(std::span<const RankingSample> samples, const CandidateSet& candidates) {
  RankList list;
  for (const RankingSample& sample : samples)
    list.add(sample.user, target_of(sample), retriever_rank(candidates, sample.user));
  return list;
}

RankList all_retriever_ranks(const CandidateSet& candidates) {
  return combine_ranks({}, candidates);
}

RankList combine_ranks(const RankList& subset, const CandidateSet& candidates) {
  std::unordered_map<int64_t, size_t> seen;
  for (size_t i = 0; i < subset.users.size(); ++i) seen.emplace(subset.users[i], i);
  RankList list;
  for (int64_t user = 0; user < candidates.num_users; ++user) {
    const int32_t target = candidates.target[user];
    if (target == 0) continue;
    const auto found = seen.find(user);
    if (found == seen.end()) {
      list.add(user, target, retriever_rank(candidates, user));
    } else {
      list.add(user, target,
               {.rank = subset.ranks[found->second], .tied = subset.tied[found->second] != 0});
    }
  }
  return list;
}

}  // namespace tandem
