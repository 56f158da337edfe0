// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "learn/model.h"
#include "models/ranking_head.h"

namespace tandem::learn {

// The head that judges candidates, and [USER]: models/ranking_head.h. Differentiable in its
// parameters.
class RankingHead {
 public:
  // New parameters: [USER] N(0, .02^2), the first layer N(0, 1 / columns), zeros in the last one and
  // in biases, so that a training begins with P = 1/2 for all. A pure function of the seed.
  RankingHead(HllmRanking ranking, int64_t width, uint64_t seed);
  // Those of a run, float32 in the order of ranking_parameters().
  RankingHead(HllmRanking ranking, int64_t width, std::span<const std::vector<float>> values);

  HllmRanking ranking() const { return ranking_; }
  std::vector<NamedParameter>& parameters() { return parameters_; }
  const std::vector<NamedParameter>& parameters() const { return parameters_; }

  const at::Tensor& user_token() const { return parameters_[0].value; }  // [1, D], late fusion's
  // z [M]. Late: of users [M, D], states at [USER], and items [M, D], item vectors. Early: of the
  // states [M, D] at the candidates.
  at::Tensor late(const at::Tensor& users, const at::Tensor& items) const;
  at::Tensor early(const at::Tensor& states) const;

 private:
  HllmRanking ranking_;
  std::vector<NamedParameter> parameters_;
};

}  // namespace tandem::learn
