// SPDX-License-Identifier: Apache-2.0
#include "rank/rerank.h"

#include <algorithm>
#include <functional>

#include "core/error.h"
#include "rank/candidate_order.h"

namespace tandem {
namespace {

std::vector<std::string> cut(const TitleCutter& cutter, std::span<const std::string> titles) {
  std::vector<std::string> result;
  for (const std::string& title : titles) result.push_back(cutter.cut(title));
  return result;
}

}  // namespace

Reranking rerank(const Ranker& ranker, std::span<const std::string> history,
                 std::span<const std::string> candidates, int64_t permutations, ThreadPool& pool) {
  const auto count = std::ssize(candidates);
  if (count < 1 || count > ranker.config().num_candidates)
    throw UsageError("{} candidates to rank; the ranker takes 1 to {}", count,
                     ranker.config().num_candidates);
  if (permutations > count)
    throw UsageError("--permutations is {}; {} candidates have no more turns", permutations, count);
  const std::vector<std::string> cut_history = cut(ranker.cutter(), history),
                                 cut_candidates = cut(ranker.cutter(), candidates);
  std::vector<PromptIds> ids;
  for (int64_t j = 0; j < permutations; ++j) {
    std::vector<std::string> turn = cut_candidates;
    std::rotate(turn.begin(), turn.begin() + turn_of(j, permutations, count), turn.end());
    ids.push_back(ranker.encoder().encode(render_prompt(ranker.config(), cut_history, turn)));
  }
  const engine::Matrix scores = ranker.score(ids, pool);
  Reranking result{.prompt = render_prompt(ranker.config(), cut_history, cut_candidates),
                   .prompt_tokens = std::ssize(ids[0]),
                   .ranking = {}};
  std::vector<double> means(count, 0.0);
  for (int64_t j = 0; j < permutations; ++j)
    add_turn(letter_probabilities({scores.row(j), static_cast<size_t>(scores.columns)}, count),
             turn_of(j, permutations, count), permutations, means.data());
  for (int64_t place = 0; place < count; ++place)
    result.ranking.push_back({place, means[place], scores.row(0)[place]});
  std::ranges::stable_sort(result.ranking, std::greater(), &RerankedCandidate::probability);
  return result;
}

}  // namespace tandem
