// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rank/ranking_sample.h"

namespace tandem {

// The sample with its candidates turned left by `shift` places, around the end: the one that stood
// at place i stands at (i - shift) mod n.
RankingSample turned(const RankingSample& sample, int64_t shift);

// How far permutation j of `count` turns n candidates: floor(j n / count). Permutation 0 is the
// order as it is; with count = n every candidate stands at every place once, so what a ranker gives
// to a place whoever stands there cancels.
int64_t turn_of(int64_t j, int64_t count, int64_t n);

// The sample with its candidates in an order drawn from (seed, user).
RankingSample shuffled(const RankingSample& sample, uint64_t seed);

// The samples with their histories cut to the newest `length` items.
std::vector<RankingSample> with_newest(std::span<const RankingSample> samples, int64_t length);

// One order's share of the mean over all: means[c] += p[place of c] / permutations, where p are the
// probabilities of the places of a turn by `shift`. means: [p.size()], of float or double.
template <typename Real>
void add_turn(std::span<const double> p, int64_t shift, int64_t permutations, Real* means) {
  const auto count = std::ssize(p);
  for (int64_t place = 0; place < count; ++place)
    means[(place + shift) % count] +=
        static_cast<Real>(p[place] / static_cast<double>(permutations));
}

}  // namespace tandem
