// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "rank/ranker.h"

namespace tandem {

struct RerankedCandidate {
  int64_t place = 0;       // among the candidates as they were given, from 0; its letter's number
  double probability = 0;  // of its letter, the mean over the permutations
  float logit = 0;         // of its letter in the order as given
};

// A ranker's answer to one question.
struct Reranking {
  std::string prompt;  // with the candidates as given
  int64_t prompt_tokens = 0;
  std::vector<RerankedCandidate> ranking;  // likeliest first, equal ones as given
};

// Ranks candidates by title after a history of titles, oldest first. Probabilities are means over
// `permutations` turns of the candidates (candidate_order.h). UsageError when there are fewer
// candidates than permutations or more than letters.
Reranking rerank(const Ranker& ranker, std::span<const std::string> history,
                 std::span<const std::string> candidates, int64_t permutations, ThreadPool& pool);

}  // namespace tandem
