// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "core/thread_pool.h"
#include "engine/ops/matrix.h"

namespace tandem::engine {

// Rotary position embedding (Su et al., "RoFormer") in the layout of Hugging Face checkpoints: a
// head's element j turns together with element j + H/2, by the angle position * frequency[j].
//
// Angles are made in double, so that positions of 10^5 keep their accuracy.
class Rope {
 public:
  // positions: of every row that will be rotated; inverse_frequencies [H/2].
  Rope(std::span<const int64_t> positions, std::span<const double> inverse_frequencies);

  // Rotates every head of every row in place; x [positions, heads * H].
  void rotate(Matrix& x, ThreadPool& pool) const;

 private:
  Matrix cos_, sin_;  // [positions, H/2]
};

}  // namespace tandem::engine
