// SPDX-License-Identifier: Apache-2.0
#include "rank/two_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "eval/candidate_lists.h"
#include "rank/candidate_order.h"
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
    if (interrupted()) throw Stopped("stopped before all users were ranked; nothing was written");
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

namespace {

Matrix logits_in_order(const char* label, const TitledRanker& model,
                       std::span<const RankingSample> samples, ThreadPool& pool) {
  const Ranker& ranker = model.ranker;
  const auto prompts = prompts_of(samples, pool, [&](const RankingSample& sample) {
    return ranker.encoder().encode(render_sample(ranker.config(), model.titles, sample));
  });
  return watched(label, samples.size(),
                 [&](const auto& on_progress) { return ranker.score(prompts, pool, on_progress); });
}

}  // namespace

Matrix letter_logits(const TitledRanker& model, std::span<const RankingSample> samples,
                     ThreadPool& pool) {
  return logits_in_order("letters", model, samples, pool);
}

CandidateScores letter_scores(const TitledRanker& model, std::span<const RankingSample> samples,
                              int64_t permutations, ThreadPool& pool) {
  if (permutations == 1)
    return candidate_scores("letters", samples, letter_logits(model, samples, pool));
  Matrix means(std::ssize(samples), model.ranker.config().num_candidates);
  std::fill(means.values.begin(), means.values.end(), 0.0f);
  for (int64_t j = 0; j < permutations; ++j) {
    const auto turn = [&](const RankingSample& sample) {
      return turn_of(j, permutations, std::ssize(sample.candidates));
    };
    std::vector<RankingSample> order;
    for (const RankingSample& sample : samples) order.push_back(turned(sample, turn(sample)));
    const std::string label = fmt::format("letters, order {} of {}", j + 1, permutations);
    const Matrix logits = logits_in_order(label.c_str(), model, order, pool);
    for (int64_t r = 0; r < logits.rows; ++r) {
      const int64_t n = std::ssize(order[static_cast<size_t>(r)].candidates);
      const int64_t shift = turn(samples[static_cast<size_t>(r)]);
      const auto p = letter_probabilities({logits.row(r), static_cast<size_t>(logits.columns)}, n);
      for (int64_t place = 0; place < n; ++place)
        means.row(r)[(place + shift) % n] +=
            static_cast<float>(p[static_cast<size_t>(place)] / static_cast<double>(permutations));
    }
  }
  for (float& mean : means.values) mean = std::log(mean);
  return candidate_scores("letters", samples, means);
}

CandidateScores likelihood_scores(const TitledRanker& model, std::span<const RankingSample> samples,
                                  ThreadPool& pool) {
  const Ranker& ranker = model.ranker;
  const auto prompts = prompts_of(samples, pool, [&](const RankingSample& sample) {
    return likelihood_prompt(ranker.config(), ranker.encoder(), model.titles, sample);
  });
  const Matrix scores = watched("likelihood", samples.size(), [&](const auto& on_progress) {
    return title_likelihoods(ranker.model(), prompts, pool, on_progress);
  });
  return candidate_scores("likelihood", samples, scores);
}

std::vector<CandidateScores> SecondStageModels::scores(std::span<const RankingSample> samples,
                                                       ThreadPool& pool) const {
  std::vector<CandidateScores> all;
  if (letters) all.push_back(letter_scores(*letters, samples, permutations, pool));
  if (likelihood) all.push_back(likelihood_scores(*likelihood, samples, pool));
  return all;
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
