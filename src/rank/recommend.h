// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/thread_pool.h"
#include "data/dataset.h"
#include "engine/retriever.h"
#include "rank/scorers.h"

namespace tandem {

// A recommended item and why.
struct Recommendation {
  int32_t item = 0;
  double score = 0;       // the retriever's, the fused one, or the number of interactions
  int64_t retrieved = 0;  // its place among the retriever's, from 1; 0 where none was asked
  std::vector<std::pair<std::string, double>> reasons = {};  // two stages: scorer, probability
};

// A retriever's list in its order.
std::vector<Recommendation> as_recommendations(std::span<const engine::ScoredItem> found);

// Whether the model has one of the items; who has none gets popular ones.
bool knows_any(const engine::Retriever& retriever, engine::History history);

// The k best items after a history, best first.
std::vector<Recommendation> recommend(const engine::Retriever& retriever, engine::History history,
                                      int64_t k, engine::SeenItems seen, ThreadPool& pool);

// The k best of the retriever's models.num_candidates best, in the order of
// sum_i weight_i log p_i(item), p_i being scorer i's softmax over them; equal ones keep the
// retriever's order. weight_of(name) is a scorer's weight.
std::vector<Recommendation> recommend_two_stage(
    const engine::Retriever& retriever, const SecondStageModels& models, engine::History history,
    int64_t k, engine::SeenItems seen, const std::function<double(const std::string&)>& weight_of,
    ThreadPool& pool);

// What fits a visitor of whom nothing is known: items by their number of interactions in the data
// set, the newest included; equal ones by number.
class PopularItems {
 public:
  explicit PopularItems(const Dataset& dataset);

  // The k first that are not among `excluded`.
  std::vector<Recommendation> top(int64_t k, engine::History excluded = {}) const;

 private:
  std::vector<Recommendation> items_;  // all, most popular first
};

}  // namespace tandem
