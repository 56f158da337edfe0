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
#include "offline/two_stage.h"

namespace tandem {

// A recommended item and why.
struct Recommendation {
  int32_t item = 0;
  double score = 0;       // the retriever's, the fused one, or the number of interactions
  int64_t retrieved = 0;  // its place among the retriever's, from 1; 0 where none was asked
  std::vector<std::pair<std::string, double>> reasons = {};  // two stages: scorer, probability
};

// The k best items after a history, best first.
std::vector<Recommendation> recommend(const Retriever& retriever, History history, int64_t k,
                                      SeenItems seen, ThreadPool& pool);

// The k best of the retriever's models.num_candidates best, in the order of
// sum_i weight_i log p_i(item), p_i being scorer i's softmax over them; equal ones keep the
// retriever's order. weight_of(name) is a scorer's weight.
std::vector<Recommendation> recommend_two_stage(
    const Retriever& retriever, const SecondStageModels& models, History history, int64_t k,
    SeenItems seen, const std::function<double(const std::string&)>& weight_of, ThreadPool& pool);

// What fits a visitor of whom nothing is known: items by their number of interactions in the data
// set, the newest included; equal ones by number.
class PopularItems {
 public:
  explicit PopularItems(const Dataset& dataset);

  // The k first that are not among `excluded`.
  std::vector<Recommendation> top(int64_t k, History excluded = {}) const;

 private:
  std::vector<Recommendation> items_;  // all, most popular first
};

// What all users of a data set get after their whole history, held-out items included. A user of
// whose items the model knows none gets popular ones.
struct UserRecommendations {
  int64_t user = 0;
  bool popular = false;
  std::vector<Recommendation> items = {};
};
// Calls use() for each user in order. Memory for some thousand users at a time; shows progress,
// throws Stopped.
void recommend_to_all(const Retriever& retriever, const Dataset& dataset, int64_t k, SeenItems seen,
                      ThreadPool& pool, const std::function<void(const UserRecommendations&)>& use);

}  // namespace tandem
