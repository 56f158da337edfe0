// SPDX-License-Identifier: Apache-2.0
#include "rank/scorers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/sha256.h"
#include "rank/candidate_order.h"
#include "rank/title_likelihood.h"

namespace tandem {
namespace {

// One prompt a sample, made in parallel.
template <typename Make>
auto prompts_of(std::span<const RankingSample> samples, ThreadPool& pool, const Make& make) {
  std::vector<decltype(make(samples[0]))> prompts(samples.size());
  pool.parallel_for(std::ssize(samples), [&](int64_t i, int) { prompts[i] = make(samples[i]); });
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

// [prompts, columns] of score(prompts, on_progress), followed by the watch.
template <typename Prompt, typename Score>
engine::Matrix one_pass(const char* scorer, const std::string& label,
                        std::span<const Prompt> prompts, int64_t columns, ScoringWatch* watch,
                        const Score& score) {
  engine::Matrix all(std::ssize(prompts), columns);
  std::ranges::fill(all.values, -std::numeric_limits<float>::infinity());
  int64_t done = 0;
  if (watch != nullptr) {
    const std::vector<float> known =
        watch->begin(pass_name(scorer, prompts), label, all.rows, columns);
    std::copy_n(known.begin(), std::min(known.size(), all.values.size()), all.values.begin());
    done = std::min(std::ssize(known) / columns, all.rows);
  }
  const int64_t first = done;
  score(prompts.subspan(first), [&](int64_t count, const engine::Matrix& scores) {
    const int64_t begin = done;
    for (; done < first + count; ++done)
      std::copy_n(scores.row(done - first), scores.columns, all.row(done));
    if (watch != nullptr) watch->finished(all.row(begin), done - begin);
  });
  if (watch != nullptr) watch->end();
  return all;
}

engine::Matrix logits_in_order(const std::string& label, const TitledRanker& model,
                               std::span<const RankingSample> samples, ThreadPool& pool,
                               ScoringWatch* watch) {
  const Ranker& ranker = model.ranker;
  const std::vector<PromptIds> prompts = prompts_of(samples, pool, [&](const auto& sample) {
    return ranker.encoder().encode(render_sample(ranker.config(), model.titles, sample));
  });
  return one_pass("letters", label, std::span<const PromptIds>(prompts),
                  ranker.config().num_candidates, watch,
                  [&](std::span<const PromptIds> rest, const ScoreProgress& on_progress) {
                    ranker.score(rest, pool, on_progress);
                  });
}

}  // namespace

engine::Matrix letter_logits(const TitledRanker& model, std::span<const RankingSample> samples,
                             ThreadPool& pool, ScoringWatch* watch) {
  return logits_in_order("letters", model, samples, pool, watch);
}

CandidateScores letter_scores(const TitledRanker& model, std::span<const RankingSample> samples,
                              int64_t permutations, ThreadPool& pool, ScoringWatch* watch) {
  if (permutations == 1)
    return candidate_scores("letters", samples, letter_logits(model, samples, pool, watch));
  engine::Matrix means(std::ssize(samples), model.ranker.config().num_candidates);
  std::ranges::fill(means.values, 0.0f);
  for (int64_t j = 0; j < permutations; ++j) {
    const auto turn = [&](const RankingSample& sample) {
      return turn_of(j, permutations, std::ssize(sample.candidates));
    };
    std::vector<RankingSample> order;
    for (const RankingSample& sample : samples) order.push_back(turned(sample, turn(sample)));
    const engine::Matrix logits = logits_in_order(
        fmt::format("letters, order {} of {}", j + 1, permutations), model, order, pool, watch);
    for (int64_t r = 0; r < logits.rows; ++r) {
      const int64_t n = std::ssize(order[r].candidates);
      const auto p = letter_probabilities({logits.row(r), static_cast<size_t>(logits.columns)}, n);
      add_turn(p, turn(samples[r]), permutations, means.row(r));
    }
  }
  for (float& mean : means.values) mean = std::log(mean);
  return candidate_scores("letters", samples, means);
}

CandidateScores likelihood_scores(const TitledRanker& model, std::span<const RankingSample> samples,
                                  ThreadPool& pool, ScoringWatch* watch) {
  const Ranker& ranker = model.ranker;
  const std::vector<SharedPrefix> prompts = prompts_of(samples, pool, [&](const auto& sample) {
    return likelihood_prompt(ranker.config(), ranker.encoder(), model.titles, sample);
  });
  size_t columns = 0;
  for (const SharedPrefix& prompt : prompts) columns = std::max(columns, prompt.rest.size());
  const engine::Matrix scores =
      one_pass("likelihood", "likelihood", std::span<const SharedPrefix>(prompts),
               static_cast<int64_t>(columns), watch,
               [&](std::span<const SharedPrefix> rest, const ScoreProgress& on_progress) {
                 title_likelihoods(ranker.model(), rest, pool, on_progress);
               });
  return candidate_scores("likelihood", samples, scores);
}

CandidateScores judged_scores(const engine::Hllm& model, std::span<const RankingSample> samples,
                              ThreadPool& pool) {
  constexpr int64_t kSamplesAtOnce = 256;
  size_t columns = 0;
  for (const RankingSample& sample : samples) columns = std::max(columns, sample.candidates.size());
  engine::Matrix all(std::ssize(samples), static_cast<int64_t>(columns));
  std::ranges::fill(all.values, -std::numeric_limits<float>::infinity());
  for (int64_t begin = 0; begin < all.rows; begin += kSamplesAtOnce) {
    if (interrupted()) throw Stopped("judging candidates: stopped after {} of {}", begin, all.rows);
    const int64_t end = std::min(begin + kSamplesAtOnce, all.rows);
    std::vector<engine::History> histories;
    std::vector<std::vector<int32_t>> candidates;
    for (int64_t i = begin; i < end; ++i) {
      histories.push_back(samples[i].history);
      candidates.push_back(samples[i].candidates);
    }
    const auto z = model.judge(histories, candidates, pool);
    for (int64_t i = begin; i < end; ++i) std::ranges::copy(z[i - begin], all.row(i));
  }
  return candidate_scores("judgement", samples, all);
}

std::vector<CandidateScores> SecondStageModels::scores(std::span<const RankingSample> samples,
                                                       ThreadPool& pool,
                                                       ScoringWatch* watch) const {
  std::vector<CandidateScores> all;
  if (letters) all.push_back(letter_scores(*letters, samples, permutations, pool, watch));
  if (likelihood) all.push_back(likelihood_scores(*likelihood, samples, pool, watch));
  if (judge) all.push_back(judged_scores(*judge, samples, pool));
  return all;
}

}  // namespace tandem
