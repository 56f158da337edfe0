// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "rank/recommend.h"

namespace tandem {

// What all users of a data set get after their whole history, held-out items included. A user of
// whose items the model knows none gets popular ones.
struct UserRecommendations {
  int64_t user = 0;
  bool popular = false;
  std::vector<Recommendation> items = {};
};
// Calls use() for each user in order. Memory for some thousand users at a time; shows progress,
// throws Stopped.
void recommend_to_all(const engine::Retriever& retriever, const Dataset& dataset, int64_t k,
                      engine::SeenItems seen, ThreadPool& pool,
                      const std::function<void(const UserRecommendations&)>& use);

}  // namespace tandem
