// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "rank/recommend.h"

namespace tandem::test {

inline std::vector<int32_t> items_of(const std::vector<Recommendation>& list) {
  std::vector<int32_t> items;
  for (const Recommendation& entry : list) items.push_back(entry.item);
  return items;
}

inline std::vector<double> scores_of(const std::vector<Recommendation>& list) {
  std::vector<double> scores;
  for (const Recommendation& entry : list) scores.push_back(entry.score);
  return scores;
}

}  // namespace tandem::test
