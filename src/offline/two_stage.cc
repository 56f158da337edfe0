// SPDX-License-Identifier: Apache-2.0
#include "offline/two_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "core/sha256.h"
#include "eval/candidate_lists.h"
#include "rank/candidate_order.h"
#include "offline/ranker_evaluation.h"
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

// What a pass is called in the log: a hash of the question and all its prompts.
std::string pass_name(const char* scorer, std::span<const PromptIds> prompts) {
  Sha256 sha;
  sha.add(scorer);
  for (const PromptIds& prompt : prompts) {
    sha.add(fmt::format("\n{} ", prompt.size()));
    sha.add(std::as_bytes(std::span(prompt)));
  }
  return sha.hex();
}

std::string pass_name(const char* scorer, std::span<const SharedPrefix> prompts) {
  Sha256 sha;
  sha.add(scorer);
  for (const SharedPrefix& prompt : prompts) {
    sha.add(fmt::format("\n{} {} ", prompt.prefix.size(), prompt.rest.size()));
    sha.add(std::as_bytes(std::span(prompt.prefix)));
    for (const std::vector<int32_t>& rest : prompt.rest) {
      sha.add(fmt::format(" {} ", rest.size()));
      sha.add(std::as_bytes(std::span(rest)));
    }
  }
  return sha.hex();
}

// [prompts, columns] of score(prompts, on_progress), with a bar and ended by an interrupt. Rows
// that the log keeps are taken from it; the packs of the others begin where they would have begun
// without the break, so the bits are the same.
template <typename Prompt, typename Score>
Matrix watched(const char* label, const char* scorer, std::span<const Prompt> prompts,
               int64_t columns, ScoreLog* log, const Score& score) {
  Matrix all(std::ssize(prompts), columns);
  std::ranges::fill(all.values, -std::numeric_limits<float>::infinity());
  int64_t done = 0;
  std::string pass;
  if (log != nullptr) {
    pass = pass_name(scorer, prompts);
    const std::vector<float>& kept = log->rows_of(pass);
    std::copy_n(kept.begin(), std::min(kept.size(), all.values.size()), all.values.begin());
    done = std::min(std::ssize(kept) / columns, all.rows);
  }
  Progress progress(label, all.rows, "users");
  progress.resume_at(done);
  const int64_t first = done;
  score(prompts.subspan(static_cast<size_t>(first)), [&](int64_t count, const Matrix& scores) {
    const int64_t begin = done;
    for (; done < first + count; ++done)
      std::copy_n(scores.row(done - first), scores.columns, all.row(done));
    if (log != nullptr) log->append(pass, all.row(begin), done - begin, columns);
    if (interrupted()) throw Stopped("stopped before all users were ranked; nothing was written");
    progress.update(done);
  });
  progress.finish();
  return all;
}

// Users outside the sample have no held-out item any more. The sample's name.
std::string keep_sample(const UserSample& sample, CandidateSet& candidates) {
  std::vector<int64_t> users;
  for (int64_t user = 0; user < candidates.num_users; ++user)
    if (candidates.target[static_cast<size_t>(user)] != 0) users.push_back(user);
  const std::vector<int64_t> drawn = sample.draw(users);
  for (const int64_t user : users) {
    if (std::ranges::binary_search(drawn, user)) continue;
    candidates.target[static_cast<size_t>(user)] = 0;
    candidates.rank[static_cast<size_t>(user)] = 0;
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
    return stage.candidates.target[static_cast<size_t>(sample.user)] == 0;
  });
  if (stage.samples.empty())
    throw DataError("{}: no user's held-out item is among its candidates",
                    source.retriever.string());
  stage.scorers.push_back(retriever_scores(stage.samples, stage.candidates));
  return stage;
}

namespace {

Matrix logits_in_order(const char* label, const TitledRanker& model,
                       std::span<const RankingSample> samples, ThreadPool& pool) {
  const Ranker& ranker = model.ranker;
  const std::vector<PromptIds> prompts = prompts_of(samples, pool, [&](const auto& sample) {
    return ranker.encoder().encode(render_sample(ranker.config(), model.titles, sample));
  });
  return watched(label, "letters", std::span(prompts), ranker.config().num_candidates, model.log,
                 [&](std::span<const PromptIds> rest, const ScoreProgress& on_progress) {
                   ranker.score(rest, pool, on_progress);
                 });
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
  const std::vector<SharedPrefix> prompts = prompts_of(samples, pool, [&](const auto& sample) {
    return likelihood_prompt(ranker.config(), ranker.encoder(), model.titles, sample);
  });
  size_t columns = 0;
  for (const SharedPrefix& prompt : prompts) columns = std::max(columns, prompt.rest.size());
  const Matrix scores =
      watched("likelihood", "likelihood", std::span(prompts), static_cast<int64_t>(columns),
              model.log, [&](std::span<const SharedPrefix> rest, const ScoreProgress& on_progress) {
                title_likelihoods(ranker.model(), rest, pool, on_progress);
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
  const auto add_scores = [&](const std::string& name, const Matrix& scores) {
    add(name, rank_samples(stage.samples, scores.values, scores.columns));
  };
  for (size_t s = 1; s < stage.scorers.size(); ++s)
    add_scores(stage.scorers[s].name, stage.scorers[s].log_probabilities);
  if (!weights.empty()) add_scores("fused", fuse(stage.scorers, weights));
  return systems;
}

}  // namespace tandem
