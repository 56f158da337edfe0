// SPDX-License-Identifier: Apache-2.0
#include "offline/two_stage.h"

#include <algorithm>

#include "core/error.h"
#include "eval/candidate_lists.h"
#include "offline/fusion_weights.h"
#include "offline/ranker_evaluation.h"

namespace tandem {
namespace {

// Users outside the sample have no held-out item any more. The sample's name.
std::string keep_sample(const UserSample& sample, CandidateSet& candidates) {
  std::vector<int64_t> users;
  for (int64_t user = 0; user < candidates.num_users; ++user)
    if (candidates.target[user] != 0) users.push_back(user);
  const std::vector<int64_t> drawn = sample.draw(users);
  for (const int64_t user : users) {
    if (std::ranges::binary_search(drawn, user)) continue;
    candidates.target[user] = 0;
    candidates.rank[user] = 0;
  }
  return sample.name(std::ssize(users));
}

}  // namespace

SecondStage open_second_stage(const StageSource& source, const Dataset& dataset, ThreadPool& pool) {
  SecondStage stage{.candidates = load_candidates(source.retriever, dataset, source.split,
                                                  source.num_candidates, pool, source.seen),
                    .num_candidates = source.num_candidates};
  stage.samples = subset_samples(dataset, stage.candidates, source.num_candidates);
  stage.users = keep_sample(source.sample, stage.candidates);
  std::erase_if(stage.samples, [&](const RankingSample& sample) {
    return stage.candidates.target[sample.user] == 0;
  });
  if (stage.samples.empty())
    throw DataError("{}: no user's held-out item is among its candidates",
                    source.retriever.string());
  stage.scorers.push_back(retriever_scores(stage.samples, stage.candidates));
  return stage;
}

std::vector<Evaluation> evaluate_stage(const SecondStage& stage, std::span<const double> weights,
                                       StageUsers users, Protocol protocol, const Dataset& dataset,
                                       ThreadPool& pool) {
  const std::string& retriever = stage.candidates.retriever;
  protocol.seen_items = stage.candidates.seen_items;
  protocol.candidate_set = candidate_set_name(stage.candidates, stage.num_candidates);
  protocol.users = stage.users;
  if (users == StageUsers::kSubset)
    protocol.users = stage.users == "all" ? "valid retrieval" : "valid retrieval of " + stage.users;
  const NameOf user_name = [&](int64_t user) { return std::string(dataset.user_id(user)); };
  const NameOf item_name = [&](int64_t item) {
    return std::string(dataset.item_id(static_cast<int32_t>(item)));
  };
  std::vector<Evaluation> systems;
  const auto add = [&](const std::string& name, const RankList& subset) {
    const RankList ranks =
        users == StageUsers::kSubset ? subset : combine_ranks(subset, stage.candidates);
    systems.push_back(evaluate_ranks(name, protocol, ranks, user_name, item_name, pool));
  };
  // The retriever's ranks are its own, not those of its scores: it may break ties otherwise.
  add(retriever, retriever_ranks(stage.samples, stage.candidates));
  const auto add_scores = [&](const std::string& name, const engine::Matrix& scores) {
    add(name, rank_samples(stage.samples, scores.values, scores.columns));
  };
  for (size_t s = 1; s < stage.scorers.size(); ++s)
    add_scores(stage.scorers[s].name, stage.scorers[s].log_probabilities);
  if (!weights.empty()) add_scores("fused", fuse(stage.scorers, weights));
  return systems;
}

}  // namespace tandem
