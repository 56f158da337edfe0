// SPDX-License-Identifier: Apache-2.0
#include "rank/candidate_order.h"

#include <algorithm>

#include "core/error.h"
#include "core/rng.h"

namespace tandem {

RankingSample turned(const RankingSample& sample, int64_t shift) {
  RankingSample result = sample;
  const int64_t n = std::ssize(sample.candidates);
  if (n == 0) return result;
  shift = (shift % n + n) % n;
  std::rotate(result.candidates.begin(), result.candidates.begin() + shift,
              result.candidates.end());
  result.answer = (sample.answer - shift + n) % n;
  return result;
}

int64_t turn_of(int64_t j, int64_t count, int64_t n) {
  if (count < 1 || j < 0 || j >= count)
    throw ShapeError("permutation {} of {} does not exist", j, count);
  return j * n / count;
}

RankingSample shuffled(const RankingSample& sample, uint64_t seed) {
  RankingSample result = sample;
  std::vector<size_t> order(sample.candidates.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  Rng rng(seed, RngPurpose::kShuffle, 0, static_cast<uint64_t>(sample.user));
  rng.shuffle(std::span(order));
  for (size_t i = 0; i < order.size(); ++i) {
    result.candidates[i] = sample.candidates[order[i]];
    if (static_cast<int64_t>(order[i]) == sample.answer) result.answer = static_cast<int64_t>(i);
  }
  return result;
}

std::vector<RankingSample> with_newest(std::span<const RankingSample> samples, int64_t length) {
  std::vector<RankingSample> cut(samples.begin(), samples.end());
  for (RankingSample& sample : cut)
    sample.history = sample.history.newest(static_cast<size_t>(std::max<int64_t>(0, length)));
  return cut;
}

}  // namespace tandem
