// SPDX-License-Identifier: Apache-2.0
#include "offline/recommend_all.h"

#include "offline/batches.h"
#include "rank/history.h"

namespace tandem {
void recommend_to_all(const engine::Retriever& retriever, const Dataset& dataset, int64_t k,
                      engine::SeenItems seen, ThreadPool& pool,
                      const std::function<void(const UserRecommendations&)>& use) {
  const PopularItems popular(dataset);
  in_batches({"recommending", "users", "stopped before all users had recommendations"},
             dataset.num_users(), [&](int64_t begin, int64_t end) {
               std::vector<engine::History> histories;
               for (int64_t user = begin; user < end; ++user)
                 histories.push_back(history_of(dataset, user));
               const auto lists = retriever.top_k(histories, k, seen, pool);
               for (int64_t user = begin; user < end; ++user) {
                 const auto row = static_cast<size_t>(user - begin);
                 const engine::History history = histories[row];
                 if (knows_any(retriever, history)) {
                   use({.user = user, .items = as_recommendations(lists[row])});
                 } else {
                   const engine::History excluded =
                       seen == engine::SeenItems::kNone ? engine::History() : history;
                   use({.user = user, .popular = true, .items = popular.top(k, excluded)});
                 }
               }
             });
}

}  // namespace tandem
