// SPDX-License-Identifier: Apache-2.0
// Samples and score matrices for the tests of fusion.
#pragma once

#include <initializer_list>
#include <utility>
#include <vector>

#include "engine/ops/matrix.h"
#include "rank/ranking_sample.h"

namespace tandem::test {

// Samples of three candidates each, the true one at `answers[i]`.
inline std::vector<RankingSample> samples_with(std::initializer_list<int64_t> answers) {
  std::vector<RankingSample> samples;
  for (const int64_t answer : answers)
    samples.push_back({.user = std::ssize(samples), .candidates = {5, 6, 7}, .answer = answer});
  return samples;
}

inline engine::Matrix matrix(int64_t rows, int64_t columns, std::vector<float> values) {
  engine::Matrix result(rows, columns);
  result.values = std::move(values);
  return result;
}

}  // namespace tandem::test
