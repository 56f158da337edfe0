// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "eval/metrics.h"

namespace tandem {

// A named random sample of the users with a held-out item, for evaluations too dear for all of
// them. Who is in it is a function of (seed, user) and the size alone: a larger sample of a seed
// holds the smaller one.
struct UserSample {
  int64_t size = 0;  // 0: all users
  uint64_t seed = 42;

  // Protocol::users of a sample of `num_users`: "all" where that is all of them, or "500 drawn with
  // seed 42".
  std::string name(int64_t num_users) const;
  // Those of `users` that are in the sample, in their order; all where there are no more than size.
  std::vector<int64_t> draw(std::span<const int64_t> users) const;
  // The rows of the users in the sample.
  RankList draw(const RankList& ranks) const;
};

}  // namespace tandem
