// SPDX-License-Identifier: Apache-2.0
#include "offline/full_ranking.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "eval/popularity.h"
#include "offline/batches.h"
#include "rank/history.h"

namespace tandem {
namespace {

std::vector<int64_t> users_with_target(const Dataset& dataset, Split split) {
  std::vector<int64_t> users;
  for (int64_t user = 0; user < dataset.num_users(); ++user)
    if (target_item(dataset, user, split)) users.push_back(user);
  return users;
}

}  // namespace

std::string split_name(Split split) { return split == Split::kValid ? "valid" : "test"; }

Split parse_split(std::string_view name) {
  if (name == "valid") return Split::kValid;
  if (name == "test") return Split::kTest;
  throw UsageError("'{}' is not a split; expected valid or test", name);
}

FullRanking rank_users(const engine::Retriever& retriever, const Dataset& dataset, Split split,
                       int64_t k, engine::SeenItems seen, ThreadPool& pool) {
  FullRanking result;
  CandidateSet& set = result.candidates;
  set.num_users = dataset.num_users();
  set.num_candidates = k;
  set.items.resize(set.num_users * k);
  set.scores.resize(set.num_users * k);
  set.target.resize(set.num_users);
  set.rank.resize(set.num_users);
  set.num_items = dataset.num_items();
  set.split = split_name(split);
  set.seen_items = engine::seen_items_name(seen);
  set.fingerprint = dataset.fingerprint();
  set.retriever = retriever.config().model_type;

  const std::vector<int64_t> users = users_with_target(dataset, split);
  result.ranks.reserve(std::ssize(users));
  in_batches({"ranking", "users", "stopped before all users were ranked"}, std::ssize(users),
             [&](int64_t begin, int64_t end) {
               std::vector<engine::History> histories;
               std::vector<int32_t> targets;
               for (int64_t i = begin; i < end; ++i) {
                 histories.push_back(history_of(dataset, users[i], split));
                 targets.push_back(*target_item(dataset, users[i], split));
               }
               const engine::TopKAndRank found =
                   retriever.top_k_and_rank(histories, k, targets, seen, pool);
               for (int64_t i = begin; i < end; ++i) {
                 const int64_t user = users[i];
                 const engine::TargetRank& rank = found.ranks[i - begin];
                 if (std::isnan(rank.score))
                   throw DataError(
                       "user '{}': the model scores '{}' with NaN; its weights are broken",
                       dataset.user_id(user), dataset.title(targets[i - begin]));
                 result.ranks.add(user, targets[i - begin],
                                  {static_cast<int32_t>(rank.rank), rank.equal > 0, rank.excluded});
                 set.target[user] = targets[i - begin];
                 set.rank[user] = retriever.knows(targets[i - begin])
                                      ? static_cast<int32_t>(rank.rank)
                                      : static_cast<int32_t>(set.num_items + 1);  // behind all
                 const std::vector<engine::ScoredItem>& top = found.top[i - begin];
                 for (int64_t place = 0; place < std::ssize(top); ++place) {
                   set.items[user * k + place] = top[place].item;
                   set.scores[user * k + place] = top[place].score;
                 }
               }
             });
  return result;
}

RankList rank_by_popularity(const Dataset& dataset, Split split, engine::SeenItems seen,
                            int64_t window, ThreadPool& pool) {
  std::vector<std::span<const int32_t>> train;
  for (int64_t user = 0; user < dataset.num_users(); ++user)
    train.push_back(train_items(dataset, user));
  std::vector<float> scores = popularity_scores(train, static_cast<int32_t>(dataset.num_items()));
  scores[0] = engine::kExcludedScore;

  const std::vector<int64_t> users = users_with_target(dataset, split);
  std::vector<Rank> ranks(users.size());
  std::vector<std::vector<float>> own(pool.size(), scores);
  pool.parallel_for(std::ssize(users), [&](int64_t i, int worker) {
    engine::History excluded = input_items(dataset, users[i], split);
    if (seen == engine::SeenItems::kNone) excluded = {};
    if (seen == engine::SeenItems::kWindow) excluded = excluded.newest(static_cast<size_t>(window));
    const int32_t target = *target_item(dataset, users[i], split);
    if (std::ranges::find(excluded, target) != excluded.end()) {
      ranks[i] = {.excluded = true};
      return;
    }
    std::vector<float>& mine = own[worker];
    for (const int32_t item : excluded) mine[item] = engine::kExcludedScore;
    ranks[i] = rank_of(mine, target);
    for (const int32_t item : excluded) mine[item] = scores[item];
  });
  RankList list;
  for (size_t i = 0; i < users.size(); ++i)
    list.add(users[i], *target_item(dataset, users[i], split), ranks[i]);
  return list;
}

}  // namespace tandem
