// SPDX-License-Identifier: Apache-2.0
#include "rank/recommend.h"

#include <algorithm>
#include <cmath>

namespace tandem {

std::vector<Recommendation> as_recommendations(std::span<const engine::ScoredItem> found) {
  std::vector<Recommendation> result;
  for (const engine::ScoredItem& scored : found)
    result.push_back({scored.item, scored.score, std::ssize(result) + 1});
  return result;
}

bool knows_any(const engine::Retriever& retriever, engine::History history) {
  return std::ranges::any_of(history, [&](int32_t item) { return retriever.knows(item); });
}

std::vector<Recommendation> recommend(const engine::Retriever& retriever, engine::History history,
                                      int64_t k, engine::SeenItems seen, ThreadPool& pool) {
  const engine::History one[] = {history};
  return as_recommendations(retriever.top_k(one, k, seen, pool)[0]);
}

std::vector<Recommendation> recommend_two_stage(
    const engine::Retriever& retriever, const SecondStageModels& models, engine::History history,
    int64_t k, engine::SeenItems seen, const std::function<double(const std::string&)>& weight_of,
    ThreadPool& pool) {
  std::vector<Recommendation> result =
      recommend(retriever, history, models.num_candidates, seen, pool);
  if (result.empty()) return result;
  RankingSample sample{.history = history};
  engine::Matrix scores(1, std::ssize(result));
  for (size_t i = 0; i < result.size(); ++i) {
    sample.candidates.push_back(result[i].item);
    scores.values[i] = static_cast<float>(result[i].score);
  }
  const std::span<const RankingSample> samples(&sample, 1);
  std::vector<CandidateScores> scorers = {
      candidate_scores(retriever.config().model_type, samples, scores)};
  for (CandidateScores& more : models.scores(samples, pool)) scorers.push_back(std::move(more));
  std::vector<double> weights;
  for (const CandidateScores& scorer : scorers) weights.push_back(weight_of(scorer.name));
  const engine::Matrix fused = fuse(scorers, weights);
  for (size_t i = 0; i < result.size(); ++i) {
    result[i].score = fused.values[i];
    for (const CandidateScores& scorer : scorers)
      result[i].reasons.emplace_back(scorer.name, std::exp(scorer.log_probabilities.values[i]));
  }
  std::ranges::stable_sort(result, std::greater(), &Recommendation::score);
  result.resize(std::min(result.size(), static_cast<size_t>(k)));
  return result;
}

PopularItems::PopularItems(const Dataset& dataset) {
  std::vector<int64_t> counts(static_cast<size_t>(dataset.num_items()) + 1, 0);
  for (int64_t user = 0; user < dataset.num_users(); ++user)
    for (const int32_t item : dataset.items(user)) ++counts[item];
  for (int32_t item = 1; item <= dataset.num_items(); ++item)
    items_.push_back({item, static_cast<double>(counts[item])});
  std::ranges::stable_sort(items_, std::greater(), &Recommendation::score);
}

std::vector<Recommendation> PopularItems::top(int64_t k, engine::History excluded) const {
  std::vector<int32_t> had(excluded.begin(), excluded.end());
  std::ranges::sort(had);
  std::vector<Recommendation> result;
  for (const Recommendation& entry : items_) {
    if (std::ssize(result) >= k) break;
    if (!std::ranges::binary_search(had, entry.item)) result.push_back(entry);
  }
  return result;
}

}  // namespace tandem
