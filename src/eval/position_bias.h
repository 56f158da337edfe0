// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "eval/bootstrap.h"

namespace tandem {

// What a ranker did with one user's candidates in the order they were shown: where the held-out
// item stood, where the one it put first stood (places from 0), and the held-out item's rank.
struct PositionOutcome {
  int32_t truth = 0, chosen = 0, rank = 0;
};

// One place among the candidates.
struct PositionRow {
  int64_t num_users = 0;  // whose held-out item stood here
  double recall1 = 0, ndcg10 = 0;
  Interval recall1_interval, ndcg10_interval;
  double first_choices = 0;  // share of all users whose first choice stood here
};

// Does the place decide? With the held-out item at a place drawn at random, a ranker without bias
// is as accurate at every place and chooses every place as often as the truth stands there.
//
//   choice_distance = 1/2 sum over places |first_choices - share of truths|
//
// is 0 then, but for chance, and near 1 for a ranker that always takes the same letter.
struct PositionBias {
  std::string system;
  uint64_t seed = 0;  // of the order
  double choice_distance = 0;
  std::vector<PositionRow> rows = {};  // [most candidates]
};

// ShapeError for a place outside 0..places - 1.
PositionBias position_bias(std::string system, std::span<const PositionOutcome> outcomes,
                           int64_t places, uint64_t seed, const ResamplingOptions& resampling,
                           ThreadPool& pool);

}  // namespace tandem
