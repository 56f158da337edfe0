// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/kernels/packed_matrix.h"
#include "models/hllm_files.h"

namespace tandem::engine {

// The head that judges candidates, and [USER]: models/ranking_head.h. Owns copies of the
// parameters. Safe to use concurrently; each z is one candidate's own, whatever else is judged.
class RankingHead {
 public:
  explicit RankingHead(const HllmFiles& files);

  HllmRanking ranking() const { return ranking_; }
  std::span<const float> user_token() const { return user_token_; }  // [D], late fusion's
  // z. Late: of a user's state at [USER] [D] and an item's vector [D]; 8 D^2 FLOPs. Early: of the
  // state at the candidate [D].
  float late(const float* user, const float* item) const;
  float early(const float* state) const;

 private:
  HllmRanking ranking_;
  int64_t width_;
  std::vector<float> user_token_, inner_bias_, outer_;
  float outer_bias_ = 0;
  PackedMatrix inner_;
};

}  // namespace tandem::engine
