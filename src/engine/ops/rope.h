// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "core/thread_pool.h"
#include "engine/ops/matrix.h"

namespace tandem::engine {

// Rotary position embedding (Su et al., "RoFormer") in the layout of Hugging Face checkpoints: with
// n frequencies, element j of a head's segment of 2 n elements turns together with element j + n,
// by the angle position * frequency[j]. What lies outside the segment stays.
//
// Angles are made in double, so that positions of 10^5 keep their accuracy.
class Rope {
 public:
  // positions: of every row that will be rotated. The segment begins at `offset` of a head of
  // head_dim elements; 0: it is the whole head.
  Rope(std::span<const int64_t> positions, std::span<const double> inverse_frequencies,
       int64_t head_dim = 0, int64_t offset = 0);

  // Rotates every head of every row in place; x [positions, heads * head_dim].
  void rotate(Matrix& x, ThreadPool& pool) const;

 private:
  Matrix cos_, sin_;  // [positions, n]
  int64_t head_dim_, offset_;
};

}  // namespace tandem::engine
