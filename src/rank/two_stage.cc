// SPDX-License-Identifier: Apache-2.0
#include "rank/two_stage.h"

#include <fmt/format.h>

#include <utility>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "eval/candidate_lists.h"
#include "rank/ranker_evaluation.h"
#include "rank/title_likelihood.h"

namespace tandem {
namespace {

// One prompt a sample, made in parallel.
template <typename Make>
auto prompts_of(std::span<const RankingSample> samples, ThreadPool& pool, const Make& make) {
  std::vector<decltype(make(samples[0]))> prompts(samples.size());
  pool.parallel_for(std::ssize(samples), [&](int64_t i, int) {
    prompts[static_cast<size_t>(i)] = make(samples[static_cast<size_t>(i)]);
  });
  return prompts;
}

// score(on_progress) with a bar, ended by an interrupt.
template <typename Score>
Matrix watched(const char* label, size_t users, const Score& score) {
  Progress progress(label, static_cast<int64_t>(users), "users");
  Matrix scores = score([&](int64_t done) {
    if (interrupted()) throw Interrupted("stopped before all users were ranked");
    progress.update(done);
  });
  progress.finish();
  return scores;
}

}  // namespace

SecondStage open_second_stage(const fs::path& source, const Dataset& dataset, Split split,
                              int64_t num_candidates, ThreadPool& pool) {
  SecondStage stage{.candidates = load_candidates(source, dataset, split, num_candidates, pool),
                    .num_candidates = num_candidates};
  stage.samples = subset_samples(dataset, stage.candidates, num_candidates);
  if (stage.samples.empty())
    throw DataError("{}: no user's held-out item is among its candidates", source.string());
  stage.scorers.push_back(retriever_scores(stage.samples, stage.candidates));
  return stage;
}

Matrix letter_logits(const Ranker& ranker, const Dataset& dataset,
                     std::span<const RankingSample> samples, ThreadPool& pool) {
  const ItemTitles titles(dataset, ranker.cutter(), pool);
  const auto prompts = prompts_of(samples, pool, [&](const RankingSample& sample) {
    return ranker.encoder().encode(render_sample(ranker.config(), titles, sample));
  });
  return watched("letters", samples.size(),
                 [&](const auto& on_progress) { return ranker.score(prompts, pool, on_progress); });
}

CandidateScores letter_scores(const Ranker& ranker, const Dataset& dataset,
                              std::span<const RankingSample> samples, ThreadPool& pool) {
  return candidate_scores("letters", samples, letter_logits(ranker, dataset, samples, pool));
}

CandidateScores likelihood_scores(const Ranker& ranker, const Dataset& dataset,
                                  std::span<const RankingSample> samples, ThreadPool& pool) {
  const ItemTitles titles(dataset, ranker.cutter(), pool);
  const auto prompts = prompts_of(samples, pool, [&](const RankingSample& sample) {
    return likelihood_prompt(ranker.config(), ranker.encoder(), titles, sample);
  });
  const Matrix scores = watched("likelihood", samples.size(), [&](const auto& on_progress) {
    return title_likelihoods(ranker.model(), prompts, pool, on_progress);
  });
  return candidate_scores("likelihood", samples, scores);
}

std::vector<Evaluation> evaluate_stage(const SecondStage& stage, std::span<const double> weights,
                                       StageUsers users, Protocol protocol, const Dataset& dataset,
                                       ThreadPool& pool) {
  const std::string& retriever = stage.candidates.retriever;
  protocol.seen_items = stage.candidates.seen_items;
  protocol.candidate_set = candidate_set_name(stage.candidates, stage.num_candidates);
  protocol.users = users == StageUsers::kSubset ? "valid retrieval" : "all";
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
  const auto add_scores = [&](const std::string& name, const Matrix& scores) {
    add(name, rank_samples(stage.samples, scores.values, scores.columns));
  };
  for (size_t s = 1; s < stage.scorers.size(); ++s)
    add_scores(stage.scorers[s].name, stage.scorers[s].log_probabilities);
  if (!weights.empty()) add_scores("fused", fuse(stage.scorers, weights));
  return systems;
}

}  // namespace tandem
