// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/ops/post_norm_block.h"
#include "engine/windowed_retriever.h"

namespace tandem::engine {

// SASRec (Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018) without
// libtorch, in the post-norm form that src/learn/sasrec trains:
//
//     x = LN(E[item] + P[slot]);   h = LN(x + W_o attention(x));   x = LN(h + W_2 gelu(W_1 h))
//
// A row of T inputs takes the last T of the position slots. Scores are hidden x E^T.
class SasRec final : public WindowedRetriever {
 public:
  explicit SasRec(const RetrieverWeights& weights);

 private:
  void forward(std::span<const History> windows, float* out) const override;

  std::vector<float> positions_;  // [max_length, D]
  LayerNorm embedding_norm_;
  std::vector<PostNormBlock> blocks_;
};

}  // namespace tandem::engine
